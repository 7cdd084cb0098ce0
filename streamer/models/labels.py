"""Class names of the data sets that third-party detectors were trained on; used when such a file is imported."""

from __future__ import annotations

COCO80: tuple[str, ...] = (
    *("person", "bicycle", "car", "motorcycle", "airplane", "bus", "train", "truck", "boat", "traffic light"),
    *("fire hydrant", "stop sign", "parking meter", "bench", "bird", "cat", "dog", "horse", "sheep", "cow"),
    *("elephant", "bear", "zebra", "giraffe", "backpack", "umbrella", "handbag", "tie", "suitcase", "frisbee"),
    *("skis", "snowboard", "sports ball", "kite", "baseball bat", "baseball glove", "skateboard", "surfboard"),
    *("tennis racket", "bottle", "wine glass", "cup", "fork", "knife", "spoon", "bowl", "banana", "apple"),
    *("sandwich", "orange", "broccoli", "carrot", "hot dog", "pizza", "donut", "cake", "chair", "couch"),
    *("potted plant", "bed", "dining table", "toilet", "tv", "laptop", "mouse", "remote", "keyboard"),
    *("cell phone", "microwave", "oven", "toaster", "sink", "refrigerator", "book", "clock", "vase", "scissors"),
    *("teddy bear", "hair drier", "toothbrush"),
)
"""The 80 classes of COCO in the order of YOLOX and its relatives."""

_COCO91_ABSENT = (12, 26, 29, 30, 45, 66, 68, 69, 71, 83)


def coco91() -> tuple[str, ...]:
    """COCO's original numbering with background at 0 and the ten unused ids named, as torchvision's detectors count."""
    names = iter(COCO80)
    rest = tuple(f"unused {i}" if i in _COCO91_ABSENT else next(names) for i in range(1, 91))
    return ("background", *rest)
