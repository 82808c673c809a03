"""Write the pool of procedural training images to disk.

The pool is one uint8 array of shape (images, SIZE, SIZE, 3) in .npy form, ordered by class, then
instance; the class of image n is n // INSTANCES.  Rendering is spread over processes, and any slice
depends only on the seed, so the pool does not depend on their number.
"""

import argparse
import os
import time
from multiprocessing import Pool
from pathlib import Path

import numpy as np

from families import FAMILIES, SIZE, render

# Classes of each family, and images of each class.
MEMBERS, INSTANCES = 120, 32


def render_class(job):
    return np.stack([render(*job, instance) for instance in range(INSTANCES)])


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    args = parser.parse_args()

    jobs = [(args.seed, f, m) for f in range(len(FAMILIES)) for m in range(MEMBERS)]
    part = args.out.with_suffix(".part")
    shape = (len(jobs) * INSTANCES, SIZE, SIZE, 3)
    pool = np.lib.format.open_memmap(part, mode="w+", dtype=np.uint8, shape=shape)
    start = time.time()
    with Pool(args.jobs) as workers:
        for k, images in enumerate(workers.imap(render_class, jobs, chunksize=2)):
            pool[k * INSTANCES:(k + 1) * INSTANCES] = images
            if k % 100 == 99:
                print(f"{k + 1}/{len(jobs)} classes, {time.time() - start:.0f} s", flush=True)
    pool.flush()
    part.rename(args.out)


if __name__ == "__main__":
    main()
