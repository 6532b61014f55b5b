"""Embeddings in a scikit-learn classifier, and what is lost by it. Needs ``faceid-fast[report]``.

    python examples/sklearn_classifier.py

A classifier names one of the people it was trained on, whoever stands there: **it does not refuse
strangers**, and its probabilities do not either, since they are shares among the people it knows. What
refuses a stranger are the distances to what was enrolled, which the last column looks at: the joined one, and
those of both keys. Lost besides: the count of failures, the encrypted vault, thresholds that tighten with the
number of people, and the credential.
Liveness is kept only because `embedded` asks for it. Use this to sort pictures of known people, and
`Authenticator` to open anything.
"""

from __future__ import annotations

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import NearestNeighbors

from faceid_fast import Embedder, Embedding, FaceAligner, Frame, LivenessCheck, NoFace
from faceid_fast.sources.renders import bundled_renders

KNOWN = ("ada", "ben")


def embedded(frame: Frame) -> Embedding | None:
    """Embedding of a live face; None where there is none."""
    crop = FaceAligner.bundled().align(frame)
    if isinstance(crop, NoFace) or not LivenessCheck.bundled().check(crop).live:
        return None
    (made,) = Embedder.bundled().embed(crop.tensor[None], crop.chip[None])
    return made


def main() -> None:
    """Train on ada and ben; ask about them, about cleo, whom nobody trained on, and about a print."""
    renders = bundled_renders()
    enrolled = [render for render in renders if render.kind == "enroll" and render.person in KNOWN]
    made = [(render.person, embedded(render.read())) for render in enrolled]
    names, known = zip(*((name, face) for name, face in made if face is not None), strict=True)
    classifier = LogisticRegression(C=100.0).fit(np.stack([face.joined for face in known]), names)
    contract = Embedder.bundled().contract
    limits = {"joined": contract.thresholds["infrared"], **contract.key_limits["infrared"]}
    references = {
        part: NearestNeighbors(n_neighbors=1).fit(np.stack([getattr(face, part) for face in known]))
        for part in limits
    }
    for render in renders:
        if render.kind not in {"probe", "print"}:
            continue
        look, face = f"{render.person} {render.kind} {render.number}", embedded(render.read())
        if face is None:
            print(f"{look}: no live face")
            continue
        (shares,) = classifier.predict_proba(face.joined[None])
        far = {
            part: nearest.kneighbors(getattr(face, part)[None])[0].item()
            for part, nearest in references.items()
        }
        verdict = "near enough" if all(far[part] <= limits[part] for part in far) else "a stranger"
        name = classifier.classes_[shares.argmax()]
        print(f"{look}: {name} by {shares.max():.0%}; {far['joined']:.2f}, {verdict}")


if __name__ == "__main__":
    main()
