"""Person AP50 on campus.mp4 against its ground truth; used by tests."""

import av
import numpy as np

from streamer.types import Frame


def campus(shared_data, every):
    """Frames at analysis size (scaled from YUV as a reader does), and the people's boxes as fractions."""
    truth = {}
    for line in (shared_data / "cctv" / "campus_gt_frames_1_400.txt").read_text().splitlines():
        number, _, x, y, w, h = (float(value) for value in line.split(",")[:6])
        truth.setdefault(int(number), []).append((x, y, x + w, y + h))
    frames, boxes = [], []
    with av.open(str(shared_data / "cctv" / "campus.mp4")) as container:
        for i, picture in enumerate(container.decode(video=0)):
            if i >= 400:
                break
            if i % every == 0:
                scale = min(416 / picture.width, 416 / picture.height, 1.0)
                width, height = round(picture.width * scale), round(picture.height * scale)
                pixels = picture.reformat(width, height, "rgb24", interpolation="BILINEAR").to_ndarray()
                frames.append(Frame("campus", 1, i, i / 10, i / 10, pixels))
                size = np.array([picture.width, picture.height] * 2)
                boxes.append(np.array(truth.get(i + 1, []), np.float64).reshape(-1, 4) / size)
    return frames, boxes


def average_precision(found, truth, label="person"):
    """(AP50 by the area under the interpolated curve, number of true boxes)."""
    rows = []
    for detections, boxes in zip(found, truth, strict=True):
        used = np.zeros(len(boxes), bool)
        person = detections.pick(detections.label_ids == detections.labels.index(label))
        for i in np.argsort(-person.confidence, kind="stable"):
            overlap = np.where(used, 0.0, _overlap(person.boxes[i].astype(np.float64), boxes))
            hit = len(overlap) > 0 and overlap.max() >= 0.5
            if hit:
                used[overlap.argmax()] = True
            rows.append((float(person.confidence[i]), hit))
    rows.sort(key=lambda row: -row[0])
    people = sum(len(boxes) for boxes in truth)
    hits = np.cumsum([hit for _, hit in rows])
    precision = np.maximum.accumulate((hits / np.arange(1, len(rows) + 1))[::-1])[::-1]
    recall = np.concatenate([[0], hits / people])
    return float(np.sum(np.diff(recall) * precision)), people


def _overlap(box, boxes):
    side = np.clip(np.minimum(boxes[:, 2:], box[2:]) - np.maximum(boxes[:, :2], box[:2]), 0, None)
    both = side[:, 0] * side[:, 1]
    area = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    return both / (area + (box[2] - box[0]) * (box[3] - box[1]) - both)
