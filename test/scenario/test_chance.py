"""Chance decides everything: telephones, modes, faults, CANCEL; the invariants hold all the same."""

from random import Random

from sipproxy.simulation import Behaviour, Faults, UserAgent, answers, redirects, rejects
from test.scenario.stage import ScenarioTestCase

RUNS = 40


class ChanceTests(ScenarioTestCase):
    """Runs whose every choice comes from their seed."""

    def behaviour(self, random: Random) -> Behaviour:
        """Choose what a telephone does."""
        after = random.uniform(0, 8)
        return random.choice(
            (
                answers(after=after, ringing=after / 2),
                answers(after=after, ringing=None),
                rejects(random.choice((401, 404, 486, 503, 603)), after=after),
                redirects(b"<sip:bob@10.0.0.%d>" % random.randint(2, 7)),
                # No telephone rings for ever; a caller that has timed out does not send CANCEL.
                rejects(480, after=200, ringing=0),
                rejects(480, after=200),
            )
        )

    def play(self, seed: int) -> None:
        """Play one run: some calls to bob, some given up; all must come to an end."""
        random = Random(seed)
        faults = Faults(0.01, random.uniform(0, 0.3), random.uniform(0, 0.3), random.uniform(0, 0.3))
        simulation = self.begin(seed, faults)
        contacts = [f"sip:bob@10.0.0.{2 + at} q=0.{random.randint(1, 9)}" for at in range(random.randint(1, 5))]
        self.serve_bob(
            *contacts,
            ForkingMode=random.choice(("Parallel", "Sequential", "Off")),
            AddRecordRoute=random.choice(("On", "Off")),
            StatefulServer=random.choice(("On", "On", "On", "Off")),
            SequentialTimeoutInMs=random.choice(("3000", "20000", "185000")),
            MaxBreadth=random.choice(("1", "2", "60")),
        )
        agents = [self.alice()]
        for number in range(len(contacts)):
            if random.random() < 0.8:
                agents.append(self.callee(number, self.behaviour(random)))
            elif random.random() < 0.5:
                simulation.host(f"10.0.0.{2 + number}")
        calls = [agents[0].invite(b"sip:bob@example.com") for _ in range(3)]
        message = agents[0].request(b"MESSAGE", b"sip:bob@example.com")
        for call in calls:
            if random.random() < 0.5:
                simulation.clock.callLater(random.uniform(0, 10), call.cancel)
        simulation.run(60)
        for call in calls:
            call.cancel()
        simulation.finish()
        self.assertTrue(all(call.is_over for call in (*calls, message)), seed)
        self.check_over(agents, seed)

    def check_over(self, agents: list[UserAgent], seed: int) -> None:
        """No telephone has a call or a transaction left."""
        self.assertTrue(all(dialog.ended for agent in agents for dialog in agent.dialogs.values()), seed)
        self.assertEqual([len(agent.table) for agent in agents], [0] * len(agents), seed)

    def test_runs(self) -> None:
        """So many runs."""
        for seed in range(RUNS):
            self.play(seed)
