from streamer.camera import Camera as Camera
from streamer.events import Event as Event
from streamer.pipeline import Detector as Detector
from streamer.pipeline import Pipeline as Pipeline
from streamer.places import Places as Places
from streamer.readings import Reading as Reading
from streamer.rules.intrusion import Intrusion as Intrusion
from streamer.rules.loitering import Loitering as Loitering
from streamer.rules.red_light import RedLight as RedLight
from streamer.rules.rule import Rule as Rule
from streamer.tracker import Tracker as Tracker
from streamer.types import Detections as Detections
from streamer.types import Frame as Frame
from streamer.types import Signal as Signal
from streamer.types import Tracks as Tracks

__version__: str
