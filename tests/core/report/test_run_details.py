"""What runs were made with, printed once for all of them."""

import dataclasses

from hsal_bench.report.run_details import facts


def details(records):
    return {fact.name: fact.text for fact in facts(records)}


def test_libraries_that_differ_are_all_told(ok):
    later = dataclasses.replace(ok().environment, torch="2.9.0")
    found = details([ok(), ok(seed=1, environment=later), ok(seed=2)])
    assert "torch=2.8.0 or 2.9.0" in found["environment"].split(", ")
    assert "python=3.11.7" in found["environment"].split(", ")


def test_activation_models_of_all_seeds_are_reported(ok):
    models = [
        dataclasses.replace(ok().activation, seed=seed, sha256=f"{seed:064x}") for seed in (0, 1)
    ]
    text = details([ok(activation=models[0]), ok(seed=1, activation=models[1])])["activation model"]
    assert "seed=0 or 1" in text.split(", ")
    assert f"sha256={0:064x} or {1:064x}" in text.split(", ")
    assert "backbone=small" in text.split(", ")


def test_what_is_not_known_is_left_out(ok):
    model = dataclasses.replace(ok().activation, single_object_accuracy=None)
    assert "accuracy" not in details([ok(activation=model)])["activation model"]
    assert details([ok(activation=None)])["activation model"] == "none: the method takes images"
    assert details([ok(method_sha256="ef" * 32)])["method"] == f"hsal-rl, file sha256={'ef' * 32}"


def test_of_predictions_made_elsewhere_the_method_and_the_data_are_known(elsewhere):
    assert list(details([elsewhere()])) == ["method", "dataset"]
