"""All that a store promises, whichever it is."""

from tests.contract.admitting import Admitting
from tests.contract.calling import Calling
from tests.contract.cascading import Cascading
from tests.contract.changing import Changing
from tests.contract.claiming import Claiming
from tests.contract.clearing import Clearing
from tests.contract.explaining import Explaining
from tests.contract.failing import Failing
from tests.contract.gating import Gating
from tests.contract.heavy import Heavy
from tests.contract.keeping import Keeping
from tests.contract.keying import Keying
from tests.contract.listing import Listing
from tests.contract.paging import Paging
from tests.contract.recording import Recording
from tests.contract.replaying import Replaying
from tests.contract.rescuing import Rescuing
from tests.contract.scheduling import Scheduling
from tests.contract.settling import Settling
from tests.contract.stalling import Stalling
from tests.contract.submitting import Submitting
from tests.contract.telling import Telling
from tests.contract.tying import Tying
from tests.contract.weighing import Weighing


class StoreContract(
    Submitting,
    Keying,
    Admitting,
    Claiming,
    Recording,
    Keeping,
    Failing,
    Rescuing,
    Calling,
    Replaying,
    Listing,
    Paging,
    Settling,
    Changing,
    Explaining,
    Tying,
    Cascading,
    Stalling,
    Heavy,
    Telling,
    Gating,
    Scheduling,
    Clearing,
    Weighing,
):
    """The class of each store gives `store`, and `twin`: another instance's view of it."""
