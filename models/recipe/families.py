"""Families of procedural images, the only material the teacher ever sees.

Each family is a function of two random generators: `c`, seeded by the class, fixes the formula
(maps of a fractal, spectrum of a texture, parts of a figure), and `i`, seeded by the instance,
varies what should not matter (pose, colours, background, noise).  Every function returns a float
RGB image of shape (SIZE, SIZE, 3) in 0..1.  Nothing is read from disk or the network.
"""

import numpy as np

SIZE = 128
_AXIS = (np.arange(SIZE, dtype=np.float32) + 0.5) / SIZE * 2 - 1
X, Y = np.meshgrid(_AXIS, _AXIS)
PIXEL = 2.0 / SIZE
_FY = np.fft.fftfreq(SIZE).astype(np.float32)[:, None] * SIZE
_FX = np.fft.rfftfreq(SIZE).astype(np.float32)[None, :] * SIZE
_RADIUS = np.sqrt(_FX**2 + _FY**2)
_RADIUS[0, 0] = 1.0


# ---------------------------------------------------------------- helpers

def unit(field):
    """Stretch a field to 0..1 between its 1st and 99th percentile."""
    lo, hi = np.partition(field.ravel(), [SIZE * SIZE // 100, -SIZE * SIZE // 100])[
        [SIZE * SIZE // 100, -SIZE * SIZE // 100]]
    return np.clip((field - lo) / (hi - lo + 1e-6), 0, 1)


def shaped_noise(rng, gain):
    """Gaussian noise with the given amplitude spectrum, zero mean and unit deviation."""
    spectrum = np.fft.rfft2(rng.standard_normal((SIZE, SIZE), dtype=np.float32)) * gain
    spectrum[0, 0] = 0
    field = np.fft.irfft2(spectrum, s=(SIZE, SIZE)).astype(np.float32)
    return field / (field.std() + 1e-6)


def power_noise(rng, beta):
    return shaped_noise(rng, _RADIUS ** (-beta))


def pose(rng, spread=0.25, turn=np.pi):
    """Coordinates seen through a random rotation, scale and shift."""
    angle, scale = rng.uniform(-turn, turn), np.exp(rng.uniform(-spread, spread))
    cos, sin = np.cos(angle) * scale, np.sin(angle) * scale
    dx, dy = rng.uniform(-spread, spread, 2)
    return (cos * (X - dx) - sin * (Y - dy)).astype(np.float32), (sin * (X - dx) + cos * (Y - dy)).astype(np.float32)


def ramp(rng):
    """A random smooth colour map from 0..1 to RGB; one in four is grey."""
    base, swing = rng.uniform(0.3, 0.7, 3), rng.uniform(0.1, 0.5, 3)
    rate, phase = rng.uniform(0.3, 1.3), rng.uniform(0, 1, 3)
    if rng.random() < 0.25:
        base, swing, phase = base[:1].repeat(3), swing[:1].repeat(3), phase[:1].repeat(3)
    return lambda t: (base + swing * np.cos(2 * np.pi * (rate * t[..., None] + phase))).astype(np.float32)


def colour(rng):
    value = rng.uniform(0, 1, 3)
    return (value.mean() + (value - value.mean()) * rng.uniform(0, 1)).astype(np.float32)


def background(rng):
    """Plain, gradient, horizon, soft noise or texture: a nuisance behind figures."""
    kind = rng.integers(5)
    if kind == 0:
        return np.broadcast_to(colour(rng), (SIZE, SIZE, 3)).copy()
    if kind == 1:
        angle = rng.uniform(0, 2 * np.pi)
        t = unit(np.cos(angle) * X + np.sin(angle) * Y)
    elif kind == 2:
        t = edge(-(Y - rng.uniform(-0.5, 0.7) + 0.1 * power_noise(rng, 2.0)), rng.uniform(0.03, 0.7))
        t = t + 0.1 * power_noise(rng, 1.5) * (Y > 0)
    elif kind == 3:
        t = unit(power_noise(rng, rng.uniform(1.5, 3)))
    else:
        t = unit(power_noise(rng, rng.uniform(0.6, 1.5)))
    t = t[..., None].astype(np.float32)
    return (1 - t) * colour(rng) + t * colour(rng)


def cover(image, alpha, paint):
    return image + alpha[..., None] * (paint - image)


def edge(distance, softness=PIXEL):
    """Signed distance to opacity."""
    return 1 / (1 + np.exp(np.clip(distance / (0.5 * softness), -30, 30)))


def part_distance(kind, x, y, w, h):
    """Approximate signed distance of a primitive of half sizes (w, h) about the origin."""
    if kind == 0:  # ellipse
        return (np.sqrt((x / w) ** 2 + (y / h) ** 2) - 1) * min(w, h)
    if kind == 1:  # box
        return np.maximum(np.abs(x) - w, np.abs(y) - h)
    if kind == 2:  # triangle
        return np.maximum(np.abs(x) * h / w + y / 2 - h / 2, -y - h) * 0.8
    if kind == 3:  # capsule
        radius = min(w, h)
        return np.hypot(x - np.clip(x, -max(w - radius, 0), max(w - radius, 0)),
                        y - np.clip(y, -max(h - radius, 0), max(h - radius, 0))) - radius
    if kind == 4:  # ring
        return np.abs((np.sqrt((x / w) ** 2 + (y / h) ** 2) - 1) * min(w, h)) - 0.2 * min(w, h)
    return np.abs(x) / w * min(w, h) + np.abs(y) / h * min(w, h) - min(w, h)  # diamond


def shade(height, rng, strength):
    """Lambert and a highlight from a height field under a random light."""
    gy, gx = np.gradient(height / PIXEL)
    angle = rng.uniform(0, 2 * np.pi)
    norm = np.sqrt(1 + (strength * gx) ** 2 + (strength * gy) ** 2)
    light = (0.7 - 0.7 * strength * (gx * np.cos(angle) + gy * np.sin(angle))) / norm
    return np.clip(light, 0.05, None)[..., None] + 0.5 * np.clip(light, 0, 1)[..., None] ** 20


# ---------------------------------------------------------------- families

def fractal(c, i):
    """Attractor of an iterated function system drawn as a soft density."""
    count = int(c.integers(2, 7))
    maps = c.uniform(-1, 1, (count, 2, 3)).astype(np.float32)
    for m in maps:  # keep each map contracting
        m[:, :2] *= c.uniform(0.35, 0.9) / max(np.linalg.norm(m[:, :2], 2), 1e-3)
    area = np.abs(np.linalg.det(maps[:, :, :2])) + 0.02
    maps = maps * (1 + 0.06 * i.standard_normal(maps.shape)).astype(np.float32)
    points = i.uniform(-1, 1, (4000, 2)).astype(np.float32)
    cloud, label = [], []
    for step in range(18):
        pick = i.choice(count, len(points), p=area / area.sum())
        m = maps[pick]
        points = np.clip((m[:, :, :2] @ points[:, :, None])[:, :, 0] + m[:, :, 2], -9, 9)
        if step >= 10:
            cloud.append(points)
            label.append(pick)
    cloud, label = np.concatenate(cloud), np.concatenate(label)
    angle = i.uniform(-0.5, 0.5)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]], np.float32)
    cloud = (cloud - np.median(cloud, 0)) / (np.percentile(np.abs(cloud - np.median(cloud, 0)), 96) + 1e-3) @ turn
    spot = np.floor((cloud * i.uniform(0.6, 0.95) + 1) * SIZE / 2).astype(int)
    inside = ((spot >= 0) & (spot < SIZE)).all(1)
    index = spot[inside, 1] * SIZE + spot[inside, 0]
    hits = np.bincount(index, minlength=SIZE * SIZE).reshape(SIZE, SIZE)
    tone = np.bincount(index, weights=label[inside], minlength=SIZE * SIZE).reshape(SIZE, SIZE)
    tone = tone / np.maximum(hits, 1) / count
    alpha = 1 - np.exp(-hits * i.uniform(0.7, 2.0))
    return cover(background(i), alpha, ramp(i)(tone))


def spectrum(c, i):
    """Stationary texture: shaped Gaussian noise through a point-wise function."""
    beta, angle, stretch = c.uniform(0.3, 2.2), c.uniform(0, np.pi), np.exp(c.uniform(0, 2.0))
    centre, width, banded = np.exp(c.uniform(1.0, 3.6)), c.uniform(0.15, 0.6), c.random() < 0.5
    curve, mix = c.integers(5), c.uniform(0, 0.5)
    angle = angle + i.normal(0, 0.1)
    u, v = np.cos(angle) * _FX + np.sin(angle) * _FY, -np.sin(angle) * _FX + np.cos(angle) * _FY
    radius = np.sqrt((u * stretch) ** 2 + v**2) / np.sqrt(stretch) + 0.3
    gain = np.exp(-0.5 * (np.log(radius / centre) / width) ** 2) if banded else radius ** (-beta)
    field = shaped_noise(i, gain) + mix * power_noise(i, 1.0)
    if curve == 1:
        field = -np.abs(field)
    elif curve == 2:
        field = np.tanh(6 * (field - 0.5))
    elif curve == 3:
        field = np.exp(field)
    elif curve == 4:
        field = np.abs(np.sin(2 * field))
    return ramp(c if c.random() < 0.5 else i)(unit(field))


def lattice(c, i):
    """Periodic texture: weaves, bricks, dots and stripes, slightly warped."""
    count = int(c.integers(1, 4))
    angles, rates = c.uniform(0, np.pi, count), np.exp(c.uniform(1.2, 3.4, count))
    waves, join, warp, row = c.integers(4, size=count), c.integers(4), c.uniform(0, 0.06), c.random() < 0.3
    x, y = pose(i, 0.2, 0.3)
    if warp > 0.02:
        x, y = x + warp * power_noise(i, 2.0), y + warp * power_noise(i, 2.0)
    field = None
    for angle, rate, wave in zip(angles, rates, waves):
        t = rate * (np.cos(angle) * x + np.sin(angle) * y)
        if row:
            t = t + np.pi * (np.floor(rates[0] * (np.cos(angle) * y - np.sin(angle) * x) / (2 * np.pi)) % 2)
        s = np.sin(t)
        s = (s, np.tanh(8 * s), np.arcsin(np.clip(s, -1, 1)) * 0.64, 2 * (s > 0.8) - 1.0)[wave]
        field = s if field is None else (field + s, field * s, np.maximum(field, s), np.minimum(field, s))[join]
    field = field + 0.1 * power_noise(i, i.uniform(0, 1.5))
    return ramp(c if c.random() < 0.5 else i)(unit(field))


def cells(c, i):
    """Voronoi texture: grains, scales, cracks or mosaic."""
    side, jitter, norm, draw = int(c.integers(2, 9)), c.uniform(0.1, 1.0), c.integers(3), c.integers(4)
    stretch, angle = np.exp(c.uniform(0, 0.9)), c.uniform(0, np.pi) + i.normal(0, 0.1)
    x, y = pose(i, 0.15, 0.2)
    u = (np.cos(angle) * x + np.sin(angle) * y) * stretch
    v = (-np.sin(angle) * x + np.cos(angle) * y) / stretch
    u, v = u * side / 2, v * side / 2
    iu, iv = np.floor(u), np.floor(v)
    table = i.random((3, 64, 64)).astype(np.float32)
    first = np.full(u.shape, 9, np.float32)
    second, tone = first.copy(), np.zeros_like(first)
    for du in (-1, 0, 1):
        for dv in (-1, 0, 1):
            a, b = ((iu + du) % 64).astype(int), ((iv + dv) % 64).astype(int)
            px = np.abs(iu + du + 0.5 + jitter * (table[0, a, b] - 0.5) - u)
            py = np.abs(iv + dv + 0.5 + jitter * (table[1, a, b] - 0.5) - v)
            d = np.hypot(px, py) if norm == 0 else (px + py) * 0.8 if norm == 1 else np.maximum(px, py)
            nearer = d < first
            second = np.where(nearer, first, np.minimum(second, d))
            tone = np.where(nearer, table[2, a, b], tone)
            first = np.where(nearer, d, first)
    gap = second - first
    if draw == 0:
        field = first
    elif draw == 1:
        field = np.minimum(gap, 0.15) * 4 + 0.3 * tone
    elif draw == 2:
        field = tone + 0.05 * power_noise(i, 1.0)
    else:
        field = np.sqrt(np.clip(gap, 0, None))
    return ramp(c if c.random() < 0.5 else i)(unit(field))


def leaves(c, i):
    """Dead leaves: opaque shapes of power-law size, thrown until the plane is covered."""
    kinds = c.integers(6, size=int(c.integers(1, 3)))
    power, smallest = c.uniform(1.0, 3.0), c.uniform(0.03, 0.15)
    aspect, aligned, lit = np.exp(c.uniform(0, 1.2)), c.random() < 0.3, c.random() < 0.4
    main = c.uniform(0, np.pi)
    paint = ramp(i)
    image = background(i)
    for size in -np.sort(-smallest * (i.random(70) * 0.98 + 0.02) ** (-1 / power)):
        size = min(size, 0.8)
        cx, cy = i.uniform(-1.1, 1.1, 2)
        w, h = size * np.sqrt(aspect), size / np.sqrt(aspect)
        reach = 1.5 * max(w, h)
        x0, x1 = np.searchsorted(_AXIS, [cx - reach, cx + reach])
        y0, y1 = np.searchsorted(_AXIS, [cy - reach, cy + reach])
        if x1 - x0 < 2 or y1 - y0 < 2:
            continue
        window = np.s_[y0:y1, x0:x1]
        angle = main + i.normal(0, 0.1) if aligned else i.uniform(0, 2 * np.pi)
        dx, dy = X[window] - cx, Y[window] - cy
        u, v = np.cos(angle) * dx + np.sin(angle) * dy, -np.sin(angle) * dx + np.cos(angle) * dy
        d = part_distance(kinds[i.integers(len(kinds))], u, v, w, h)
        tint = paint(np.full(d.shape, i.random(), np.float32))
        if lit:
            tint = tint * (1 + 0.6 * np.clip(d / size, -1, 0))[..., None] * (1.1 + 0.3 * v / size)[..., None]
        image[window] = cover(image[window], edge(d), tint)
    return image


def contour(c, i):
    """Nested radial contours: harmonics on circles and polygons."""
    corners, amp, phase = c.integers(2, 12, 3), c.uniform(0, 0.3, 3), c.uniform(0, 2 * np.pi, 3)
    rings, twist, square, filled = int(c.integers(1, 9)), c.uniform(-1.5, 1.5), c.uniform(0.6, 1), c.random() < 0.5
    x, y = pose(i, 0.25, 0.4)
    x, y = x / 0.8, y / 0.8 / square
    radius = np.hypot(x, y)
    theta = np.arctan2(y, x) + twist * radius
    amp = amp * (1 + 0.15 * i.standard_normal(3))
    shape = 1 + sum(a * np.cos(n * theta + p) for n, a, p in zip(corners, amp, phase))
    level = radius / np.maximum(shape, 0.2)
    if filled:
        alpha = edge((level - 1) * 0.6)
        return cover(background(i), alpha, ramp(i)(np.floor(np.clip(level, 0, 1) * rings) / rings))
    line = np.abs(((level * rings) % 1) - 0.5) / rings
    alpha = edge(line - i.uniform(0.02, 0.06)) * (level < 1 + 0.5 / rings)
    return cover(background(i), alpha, colour(i))


def solid(c, i):
    """A lit star-shaped body with bumps and a surface texture."""
    orders, amp, phase = c.integers(2, 7, 3), c.uniform(0, 0.22, 3), c.uniform(0, 2 * np.pi, 3)
    bump, beta, round_, ratio = c.uniform(0, 0.12), c.uniform(1, 2.5), c.uniform(0.3, 1), c.uniform(0.45, 1)
    x, y = pose(i, 0.3)
    x, y = x / 0.75, y / 0.75 / ratio
    theta = np.arctan2(y, x)
    shape = 1 + sum(a * np.cos(n * theta + p) for n, a, p in zip(orders, amp, phase))
    level = np.hypot(x, y) / shape
    height = np.clip(1 - level**2, 0, None) ** (0.5 * round_ + 0.25) * 0.5
    height = height + bump * power_noise(i, beta) * 0.3 * (level < 1)
    skin = ramp(c if c.random() < 0.5 else i)(unit(power_noise(i, beta)))
    lit = skin * shade(height.astype(np.float32), i, i.uniform(0.5, 1.5))
    return cover(background(i), edge((level - 1) * 0.5), lit)


def figure(c, i):
    """A mirror-symmetric assembly of parts: a made-up creature, vehicle or tool."""
    count = int(c.integers(3, 8))
    kind = c.integers(6, size=count)
    place, size = c.uniform(-0.55, 0.55, (count, 2)), np.exp(c.uniform(-2.4, -0.7, (count, 2)))
    size[0], place[0] = np.exp(c.uniform(-1.3, -0.5, 2)), 0
    turn, mirror, hue = c.uniform(0, np.pi, count) * (c.random(count) < 0.5), c.random(count) < 0.6, c.random(count)
    lit = c.random() < 0.5
    x, y = pose(i, 0.3, 0.5)
    if i.random() < 0.5:
        x = -x
    if c.random() < 0.3:
        mirror[:] = False
    place, size = place + i.normal(0, 0.03, place.shape), size * np.exp(i.normal(0, 0.1, size.shape))
    paint, image = ramp(i), background(i)
    for k in list(range(1, count)) + [0] if c.random() < 0.5 else range(count):
        px = np.abs(x) - abs(place[k, 0]) if mirror[k] else x - place[k, 0]
        py = y - place[k, 1]
        u, v = np.cos(turn[k]) * px + np.sin(turn[k]) * py, -np.sin(turn[k]) * px + np.cos(turn[k]) * py
        d = part_distance(kind[k], u, v, *size[k])
        tint = paint(np.full((1, 1), hue[k], np.float32)) * np.ones((SIZE, SIZE, 1), np.float32)
        if lit:
            tint = tint * shade(np.sqrt(np.clip(-d, 0, None) * min(size[k])).astype(np.float32), i, 0.8)
        image = cover(image, edge(d), tint)
    return np.clip(image * (1 + i.uniform(0, 0.08) * power_noise(i, i.uniform(0, 1.5)))[..., None], 0, 1)


def machined(c, i):
    """A rendered workpiece: plate, washer or gear with holes, bevel and brushed surface."""
    kind, teeth, depth = c.integers(3), int(c.integers(6, 25)), c.uniform(0.03, 0.15)
    holes, circle, bore = int(c.integers(0, 9)), c.uniform(0.3, 0.65), c.uniform(0, 0.35)
    hole, ratio, bevel = c.uniform(0.04, 0.12), c.uniform(0.5, 1), c.uniform(0.02, 0.12)
    brush, round_ = c.integers(3), c.uniform(0, 0.3)
    x, y = pose(i, 0.2)
    radius, theta = np.hypot(x, y), np.arctan2(y, x)
    if kind == 0:
        beyond = np.abs(x) - 0.85 + round_, np.abs(y) - 0.85 * ratio + round_
        d = np.maximum(*beyond)
        inner = np.hypot(*(np.clip(side, 0, None) for side in beyond))
        d = np.where(d > 0, inner, d) - round_
    elif kind == 1:
        d = radius - 0.8
    else:
        d = radius - 0.75 - depth * np.tanh(3 * np.sin(teeth * theta))
    d = np.maximum(d, bore - radius)
    if holes:
        sector = (theta + np.pi / holes) % (2 * np.pi / holes) - np.pi / holes
        d = np.maximum(d, hole - np.hypot(radius * np.cos(sector) - circle, radius * np.sin(sector)))
    height = np.clip(-d, 0, bevel)
    if brush == 0:
        grain = shaped_noise(i, 1 / (1 + np.abs(_FX)) / (1 + 0.02 * np.abs(_FY)))
    elif brush == 1:
        grain = np.sin(radius * i.uniform(60, 160) + i.normal() * 3) + power_noise(i, 0.5)
    else:
        grain = power_noise(i, i.uniform(0.2, 1.2))
    metal = (colour(i) * 0.4 + 0.4) * (1 + i.uniform(0.03, 0.15) * grain)[..., None]
    return cover(background(i), edge(d), metal * shade(height.astype(np.float32), i, i.uniform(0.5, 1.2)))


def strokes(c, i):
    """Fibres, scratches, branches and scribbles: many random walks of set stiffness."""
    count, length = int(np.exp(c.uniform(1.0, 5.0))), c.uniform(0.15, 1.6)
    curl, wander, spread = c.uniform(-4, 4) * (c.random() < 0.5), c.uniform(0, 0.25), c.choice([0.05, 0.3, 3.0])
    width, main, dark = np.exp(c.uniform(-0.7, 1.0)), c.uniform(0, np.pi), i.random() < 0.5
    steps = int(max(length * SIZE / 2 * 1.5, 8))
    heading = main + i.normal(0, 0.1) + spread * i.standard_normal((count, 1))
    heading = heading + np.cumsum(i.standard_normal((count, steps)) * wander + curl / steps, 1)
    path = np.stack([np.cumsum(np.cos(heading), 1), np.cumsum(np.sin(heading), 1)], -1) * (length / steps)
    path = (path + i.uniform(-1.2, 1.2, (count, 1, 2)) + 1) * SIZE / 2
    spot = path.reshape(-1, 2)
    base = np.floor(spot).astype(int)
    frac = spot - base
    field = np.zeros(SIZE * SIZE)
    for ox in (0, 1):
        for oy in (0, 1):
            p = base + (ox, oy)
            ok = ((p >= 0) & (p < SIZE)).all(1)
            weight = np.abs(1 - ox - frac[:, 0]) * np.abs(1 - oy - frac[:, 1])
            field += np.bincount(p[ok, 1] * SIZE + p[ok, 0], weights=weight[ok], minlength=SIZE * SIZE)
    blur = np.exp(-0.5 * (_RADIUS * np.pi * 2 / SIZE * width) ** 2)
    field = np.fft.irfft2(np.fft.rfft2(field.reshape(SIZE, SIZE)) * blur, s=(SIZE, SIZE))
    alpha = 1 - np.exp(-np.clip(field, 0, None) * width * 2)
    return cover(background(i), alpha.astype(np.float32), colour(i) * (0.5 if dark else 1.0))


def flow(c, i):
    """Marble, wood and smoke: a ramp folded by domain-warped noise."""
    beta, warp, rate = c.uniform(1.4, 2.6), c.uniform(0.1, 1.2), np.exp(c.uniform(0.5, 3.0))
    kind, sharp, angle = c.integers(3), c.uniform(0.5, 4), c.uniform(0, np.pi) + i.normal(0, 0.15)
    x, y = pose(i, 0.2, 0.2)
    fold = warp * power_noise(i, beta)
    axis = np.cos(angle) * x + np.sin(angle) * y
    if kind == 0:
        field = np.sin(rate * (axis + fold))
    elif kind == 1:
        field = np.sin(rate * (np.hypot(x - 0.8, y * 0.4) + 0.3 * fold))
    else:
        field = np.sin(rate * 0.5 * fold + 2 * power_noise(i, beta))
    field = np.sign(field) * np.abs(field) ** (1 / sharp) + 0.05 * power_noise(i, 0.5)
    return ramp(c if c.random() < 0.5 else i)(unit(field))


FAMILIES = (fractal, spectrum, lattice, cells, leaves, contour, solid, figure, machined, strokes, flow)


def render(seed, family, member, instance):
    """The image of one instance as uint8; the same four numbers always give the same bytes."""
    c = np.random.default_rng([seed, family, member])
    i = np.random.default_rng([seed, family, member, instance + 1])
    image = FAMILIES[family](c, i)
    return (np.clip(np.nan_to_num(image), 0, 1) * 255 + 0.5).astype(np.uint8)
