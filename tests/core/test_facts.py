"""What runs were made with, told once for all of them."""

import dataclasses

from hsal_bench.facts import facts


def told(records):
    return {fact.name: fact.told for fact in facts(records)}


def test_libraries_that_differ_are_all_told(ok):
    later = dataclasses.replace(ok().environment, torch="2.9.0")
    found = told([ok(), ok(seed=1, environment=later), ok(seed=2)])
    assert "torch=2.8.0 or 2.9.0" in found["environment"].split(", ")
    assert "python=3.11.7" in found["environment"].split(", ")


def test_what_is_not_known_is_left_out(ok):
    model = dataclasses.replace(ok().activation, single_object_accuracy=None)
    assert "accuracy" not in told([ok(activation=model)])["activation model"]
    assert told([ok(activation=None)])["activation model"] == "none: the method is given images"
    assert told([ok(method_sha256="ef" * 32)])["method"] == f"hsal-rl, file sha256={'ef' * 32}"


def test_of_predictions_made_elsewhere_the_method_and_the_data_are_known(elsewhere):
    assert list(told([elsewhere()])) == ["method", "data set"]
