"""Embeddings in a scikit-learn classifier, and what is lost by it. Needs ``faceid-fast[report]``.

    python examples/sklearn_classifier.py

A classifier names one of the people it was trained on, whoever stands there: **it does not refuse
strangers**, and its probabilities do not either, since they are shares among the people it knows. What
refuses a stranger is the distance to what was enrolled, which the last column looks at. Lost besides: the
count of failures, the encrypted vault, thresholds that tighten with the number of people, and the credential.
Liveness is kept only because `embedded` asks for it. Use this to sort pictures of known people, and
`Authenticator` to open anything.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import NearestNeighbors

from faceid_fast import Embedder, FaceAligner, Frame, LivenessCheck, NoFace
from faceid_fast.sources.renders import bundled_renders

KNOWN = ("ada", "ben")


def embedded(frame: Frame) -> NDArray[np.float32] | None:
    """Unit vector (128,) of a live face; None where there is none."""
    crop = FaceAligner.bundled().align(frame)
    if isinstance(crop, NoFace) or not LivenessCheck.bundled().check(crop).live:
        return None
    (made,) = Embedder.bundled().embed(crop.tensor[None], crop.chip[None])
    return made.joined  # an Authenticator asks made.shape and made.picture, too


def main() -> None:
    """Train on ada and ben; ask about them, about cleo, whom nobody trained on, and about a print."""
    renders = bundled_renders()
    enrolled = [render for render in renders if render.kind == "enroll" and render.person in KNOWN]
    vectors = [(render.person, embedded(render.read())) for render in enrolled]
    names, known = zip(*((name, vector) for name, vector in vectors if vector is not None), strict=True)
    classifier = LogisticRegression(C=100.0).fit(np.stack(known), names)
    references = NearestNeighbors(n_neighbors=1).fit(np.stack(known))
    threshold = Embedder.bundled().contract.thresholds["infrared"]
    for render in renders:
        if render.kind not in {"probe", "print"}:
            continue
        look, vector = f"{render.person} {render.kind} {render.number}", embedded(render.read())
        if vector is None:
            print(f"{look}: no live face")
            continue
        (shares,) = classifier.predict_proba(vector[None])
        distance = references.kneighbors(vector[None])[0].item()
        verdict = "near enough" if distance <= threshold else "a stranger"
        print(
            f"{look}: {classifier.classes_[shares.argmax()]} by {shares.max():.0%}; {distance:.2f}, {verdict}"
        )


if __name__ == "__main__":
    main()
