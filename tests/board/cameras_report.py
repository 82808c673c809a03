"""What a subscriber in the guest saw of each fault, as a table, as JSON and as a verdict.

It reads `events` (when a fault began and ended) and `messages` (every message with the moment it came), both
by the guest's clock. It knows nothing of how the faults were made."""

import json
from datetime import datetime

# Promised to users: seconds until offline is said, and until frames are scored again.
OFFLINE_S, SCORED_S = 10, 10
# What is on its way when a fault is ended still counts as its frame.
ON_ITS_WAY_S = 1
# Host and guest have different vector units: the same picture scores the same but for rounding.
ROUNDING = 1e-3


class Message:
    def __init__(self, line):
        moment, self.topic, payload = line.rstrip("\n").split(" ", 2)
        self.at = float(moment)
        parts = self.topic.split("/")
        self.camera, self.kind = (parts[2], parts[3]) if len(parts) == 4 else (None, None)
        self.word = payload
        self.state = json.loads(payload) if self.kind == "state" else None

    def judged(self):
        return self.state is not None and self.state["judged"]

    def taken(self):
        """When the frame was taken, which is earlier than when its state came."""
        return datetime.fromisoformat(self.state["time"].replace("Z", "+00:00")).timestamp()


def faults(events):
    """Each fault with its moments, when which daemon began, and what went wrong beside."""
    rows, trouble, starts = [], [], []
    for line in events:
        moment, word, *rest = line.split()
        if word == "daemon":
            starts.append((rest[0], float(moment)))
        elif word == "begin":
            row = {"daemon": starts[-1][0], "camera": rest[0], "fault": rest[1]}
            rows.append(row | {"begin": float(moment), "restarts": -int(rest[2])})
        elif word == "end":
            rows[-1]["end"] = float(moment)
        elif word == "over":
            rows[-1]["over"] = float(moment)
            rows[-1]["restarts"] += int(rest[2])
        elif word in ("failed", "silent"):
            trouble.append(" ".join([word, *rest]))
    return [row for row in rows if "over" in row], starts, trouble


def first(messages, wanted):
    return next((m.at for m in messages if wanted(m)), None)


def since(moment, start):
    return None if moment is None else round(moment - start, 1)


def quiet_scores(messages, rows, start, end):
    """The scores of the webcam's pictures that were taken while nothing was wrong with it."""
    windows = [(row["begin"], row["end"] + ON_ITS_WAY_S) for row in rows if row["camera"] == "webcam"]
    scores = set()
    for m in messages:
        if m.camera == "webcam" and m.judged() and start < m.taken() < end:
            if not any(since <= m.taken() <= until for since, until in windows):
                scores.add(m.state["raw"])
    return scores


def fill(row, messages, scores, known):
    """The figures of one fault."""
    later = [m for m in messages if row["begin"] <= m.at <= row["over"]]
    own = [m for m in later if m.camera == row["camera"]]
    offline = first(own, lambda m: m.kind == "availability" and m.word == "offline")
    back = max(row["end"], offline or row["end"])
    row["offline_s"] = since(offline, row["begin"])
    row["scored_s"] = since(first(own, lambda m: m.judged() and m.at > back and m.taken() > row["end"]), row["end"])
    row["online_s"] = since(first(own, lambda m: m.word == "online" and m.at > back), row["end"])
    judged = [m for m in own if m.judged() and row["begin"] < m.taken() < row["end"] + ON_ITS_WAY_S]
    if row["camera"] == "webcam":
        near = lambda s: s in scores or any(abs(s - k) <= ROUNDING for k in known)  # noqa: E731
        row["corrupt"] = sum(not near(m.state["raw"]) for m in judged)
    else:
        # No two of its pictures are equal: while it is at fault, every judged one counts.
        row["corrupt"] = sum(row["begin"] + ON_ITS_WAY_S < m.taken() < row["end"] for m in judged)
    row["judged_in_fault"] = sum(m.taken() < row["end"] for m in judged)
    reasons = [m.state["reason"] for m in own if m.state and m.state["reason"]]
    row["reasons"] = sorted(set(reasons))
    row["others_offline"] = sum(m.word == "offline" and m.camera != row["camera"] for m in later if m.kind == "availability")
    broken = []
    if row["offline_s"] is None or row["offline_s"] > OFFLINE_S:
        broken.append("offline")
    if row["scored_s"] is None or row["scored_s"] > SCORED_S or row["online_s"] is None:
        broken.append("scored")
    broken += [name for name in ("corrupt", "restarts", "others_offline") if row[name]]
    row["broken"] = broken


def table(rows):
    yield "| camera | fault | s to offline | s from its end to the next scored frame | to online | corrupt frames scored | restarts | other cameras offline | |"
    yield "| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | --- |"
    for row in rows:
        camera = f"webcam, {row['daemon'].upper()}" if row["camera"] == "webcam" else "vivid"
        cells = [camera, row["fault"]]
        for key in ("offline_s", "scored_s", "online_s", "corrupt", "restarts", "others_offline"):
            cells.append("never" if row[key] is None else str(row[key]))
        yield "| " + " | ".join([*cells, "broken: " + ", ".join(row["broken"]) if row["broken"] else "ok"]) + " |"


def write(work, known):
    """Writes board.md and board.json; the exit status. `known` are the host's scores of what the webcam plays."""
    with open(work / "faults/events") as file:
        rows, starts, trouble = faults(file)
    with open(work / "faults/messages") as file:
        messages = [Message(line) for line in file]
    notes = []
    for (daemon, start), (_, end) in zip(starts, [*starts[1:], (None, float("inf"))]):
        by_host = known[daemon]
        scores = quiet_scores(messages, rows, start, end)
        strangers = sum(all(abs(s - k) > ROUNDING for k in by_host) for s in scores)
        notes.append(f"webcam, {daemon}: {len(scores)} different scores while nothing was wrong; {strangers} "
                     "of them are not the host's")
        for row in rows:
            if row["daemon"] == daemon:
                fill(row, messages, scores, by_host)
    text = [*table(rows), "", *notes, *trouble]
    (work / "board.md").write_text("\n".join(text) + "\n")
    (work / "board.json").write_text(json.dumps({"rows": rows, "notes": notes, "trouble": trouble}, indent=1) + "\n")
    print("\n".join(text))
    return 1 if trouble or any(row["broken"] for row in rows) or not rows else 0
