from streamer.camera import Camera as Camera
from streamer.events import Event as Event
from streamer.pipeline import Detector as Detector
from streamer.pipeline import Pipeline as Pipeline
from streamer.places import Places as Places
from streamer.readings import Reading as Reading
from streamer.rules.congestion import Congestion as Congestion
from streamer.rules.counting import Counting as Counting
from streamer.rules.crowd import Crowd as Crowd
from streamer.rules.intrusion import Intrusion as Intrusion
from streamer.rules.line_crossing import LineCrossing as LineCrossing
from streamer.rules.loitering import Loitering as Loitering
from streamer.rules.occupancy import Occupancy as Occupancy
from streamer.rules.queue import Queue as Queue
from streamer.rules.rule import Rule as Rule
from streamer.rules.running import Running as Running
from streamer.rules.speeding import Speeding as Speeding
from streamer.rules.stopped_vehicle import StoppedVehicle as StoppedVehicle
from streamer.rules.tailgating import Tailgating as Tailgating
from streamer.rules.wrong_way import WrongWay as WrongWay
from streamer.tracker import Tracker as Tracker
from streamer.types import Detections as Detections
from streamer.types import Frame as Frame
from streamer.types import Tracks as Tracks

__version__: str
