"""The suite that judges pictures made and changed: a whole run of it, small, with a painter of few steps."""

from __future__ import annotations

from saccade.evals import painting
from saccade.tools.shared.painting import repaint


def test_every_row_and_control_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(painting, "TRIES", (1, 2))
    monkeypatch.setattr(repaint, "TRIES", 1)
    profile = tmp_path / "quick.toml"
    roles = ("controller", "clip", "detector", "sam")
    models = [*(f'{role} = "zoo:{role}"' for role in roles), 'reader = "rapidocr:"', 'painter = "zoo:diffusion"']
    profile.write_text("\n".join(["[models]", *models, "[options.painter]", "steps = 1"]))
    told = []
    report = painting.run(cases=1, profile=str(profile), done=lambda some, of: told.append((some, of)))
    rows = {(row["group"], row["name"]): row for row in report["rows"]}
    kinds = {case.kind for case in painting.prompts(1)}
    assert {name for group, name in rows if group == "best of 1"} == kinds
    assert len(kinds) == painting.KINDS
    assert {"true pictures accepted", "parents unchanged, taken for a removal"} <= {
        name for group, name in rows if group == "controls"
    }
    assert {"removed", "replaced", "recoloured", "added", "before another background", "edits"} <= {
        name for group, name in rows if group == "edits"
    }
    assert rows[("best of 1", "words")]["value"] == 0, "a painter that knows no letters refuses"
    assert rows[("controls", "true pictures accepted")]["value"] > rows[("best of 1", "two things")]["value"]
    assert report["outside"] == 0
    assert told[-1] == (len(kinds) + 1,) * 2
