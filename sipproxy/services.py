"""The services of the translation and of the routing step, with those of their modules below them."""

from collections.abc import Sequence

from twisted.application.service import IService, MultiService

from sipproxy.routing import RoutingChain
from sipproxy.translation import TranslationChain


class TranslationService(MultiService):
    """The translators' connections and databases.

    @ivar chain: the translators in their order
    """

    def __init__(self, chain: TranslationChain, parts: Sequence[IService] = ()) -> None:
        super().__init__()
        self.setName("translation")
        self.chain = chain
        for part in parts:
            part.setServiceParent(self)


class RoutingService(MultiService):
    """The routers' connections and databases.

    @ivar chain: the routers in their order
    """

    def __init__(self, chain: RoutingChain, parts: Sequence[IService] = ()) -> None:
        super().__init__()
        self.setName("routing")
        self.chain = chain
        for part in parts:
            part.setServiceParent(self)
