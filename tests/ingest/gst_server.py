"""An RTSP server of Debian's GStreamer, run by the system's Python: `gst_server.py PORT CODEC`; prints `ready`."""

import sys

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtspServer  # noqa: E402

X26 = "tune=zerolatency key-int-max=15 speed-preset=ultrafast"
ENCODERS = {
    "h264": f"x264enc {X26} ! rtph264pay name=pay0 pt=96 config-interval=-1",
    "h265": f"x265enc {X26} ! rtph265pay name=pay0 pt=96 config-interval=-1",
    "jpeg": "jpegenc ! rtpjpegpay name=pay0 pt=26",
}

Gst.init(None)
server = GstRtspServer.RTSPServer()
server.set_address("127.0.0.1")
server.set_service(sys.argv[1])
factory = GstRtspServer.RTSPMediaFactory()
factory.set_shared(True)
factory.set_launch(
    "( videotestsrc is-live=true pattern=ball ! video/x-raw,width=320,height=240,framerate=15/1 ! videoconvert ! "
    f"video/x-raw,format=I420 ! {ENCODERS[sys.argv[2]]} )"
)
server.get_mount_points().add_factory("/cam", factory)
server.attach(None)
print("ready", flush=True)
GLib.MainLoop().run()
