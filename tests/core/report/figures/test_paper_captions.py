"""Captions of the paper's figures: which runs and images, what is drawn, and how common it is."""

from hsal_bench.record.record import Git


def test_the_caption_of_looks_says_which_run_and_images(of_toy, captions):
    better = {"update": 10, "valid_exact_match": 0.9, "valid_macro_f1": 0.5}
    of_toy("seed-0", seed=0)
    of_toy("seed-1", seed=1, curve=(better,), git=Git("f" * 40, True))
    (text,) = captions("2")
    assert text.startswith("How looker (seed 1) looks at 3 test images of toy. Each column is a st")
    assert "The 2 glimpsed cells are marked on the priority map and on the image." in text
    assert "chosen with seed 0 to have few to many objects" in text
    assert "Of these predictions 2 of 3 are right; on the complete split, 33.3 % are." in text
    assert "Of the 2 available runs with a trace, this one has the highest" in text
    (line,) = (line for line in text.splitlines() if line.startswith("- "))
    expected = f"looker seed 1, commit {'f' * 10} with uncommitted changes"
    assert line == f"- runs/seed-1/record.json: {expected}"


def test_the_captions_of_limits_say_the_rule_the_images_and_how_common_it_is(of_toy, captions):
    of_toy()
    crowded, faint = captions("3,4")
    # The cells are 6 x 4 pixels: the first two objects of an even row are in the salient one.
    assert crowded.startswith("The location of highest saliency on the 3 x 2 map, projected onto t")
    assert "of looker (seed 0) on toy." in crowded
    assert "The images are numbers 2, 4, 8 of the test split, chosen by rule." in crowded
    assert "20 of 60 images (33.3 %) have two or more objects in that cell; 0.0 %" in crowded
    assert "The images are numbers 2, 5, 8 of the test split, chosen by rule." in faint
    assert "20 of 20 objects with such a cell (100.0 %) are less salient" in faint
    assert faint.endswith("- runs/seed-0/record.json: looker seed 0, not from a checkout\n")


def test_the_caption_of_curves_says_what_lines_and_bands_are(of_toy, captions):
    of_toy("0", seed=0)
    of_toy("1", seed=1)
    of_toy(
        "blind",
        method="blind",
        curve=({"update": 0, "valid_macro_f1": 0.1},),
        metrics={"exact_match": 0.5, "macro_f1": 0.75},
        budget={"updates": 400, "batch_size": 64},
    )
    saliency, f1 = captions("5,6")
    bands = "Lines are means over seeds; bands range from the lowest to the highest seed."
    assert bands in saliency
    assert "looker: 2 seeds (0, 1), 10 (chance 4) on the test split." in saliency
    assert "blind" not in saliency
    assert "blind: 1 seed (0), 0.750 on the test split." in f1
    assert "Not under equal conditions: updates 400 (blind) against updates 100 (looker)." in f1
    assert f1.count("\n- ") == 3


def test_a_single_seed_has_no_bands(of_toy, captions):
    of_toy()
    (text,) = captions("6")
    assert text.startswith("Macro F1 on the validation split during training on toy. ")
    assert "There is one seed per method, so no bands." in text


def test_a_caption_names_records_without_what_does_not_print(of_toy, captions):
    of_toy("seed\u202e-0")
    (text,) = captions("6")
    assert "- runs/seed\\u202e-0/record.json: looker seed 0" in text
