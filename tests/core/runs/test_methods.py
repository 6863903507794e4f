"""Methods of `hsal-bench run`: their settings, variants and labels."""

import shlex
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from hsal_bench import registry
from hsal_bench.record.record import read_record
from hsal_bench.runs import methods
from hsal_bench.runs import request as requests

METHOD = Path(__file__).with_name("constant.py").read_text()


def test_settings_name_the_folder_and_are_checked(bench, recorded):
    assert bench("--set", "label=2")[0] == 0
    assert recorded("Constant+label=2").config["label"] == 2
    code, _, err = bench("--set", "lable=2")
    assert code == 2
    assert "Constant has no option 'lable': did you mean 'label'?" in err


def test_a_setting_can_be_for_one_of_several_methods(bench, tmp_path, recorded):
    (tmp_path / "other.py").write_text(METHOD.replace("class Constant:", "class Other:"))
    settings = ("--set", "Other:label=2", "--set", "Constant:label=1")
    assert bench("--model", "other.py:Other", *settings)[0] == 0
    for label, value in (("Constant+label=1", "1"), ("Other+label=2", "2")):
        record = recorded(label)
        assert (record.settings, record.config["label"]) == ({"label": value}, int(value))


def test_a_method_s_own_setting_goes_before_the_general_one_whatever_the_order():
    for settings in ({"a:x": "1", "x": "2"}, {"x": "2", "a:x": "1"}):
        assert requests.settings_of("a", settings) == {"x": "1"}
        assert requests.settings_of("b", settings) == {"x": "2"}


def test_variants_of_one_method_go_in_one_command(bench, tmp_path, recorded):
    source = "constant.py:Constant"
    models = f"{source},{source}+label=1,{source}+label=2+diverge=no,{source}+label=0"
    assert bench("--set", "Constant:label=2", model=models)[0] == 0
    found = {path.name for path in (tmp_path / "runs" / "toy").iterdir()}
    assert found == {"Constant", "Constant+label=1", "Constant+label=2"}
    record = recorded("Constant+label=1")
    assert (record.settings, record.config["label"]) == ({"label": "1"}, 1)


def test_the_command_of_a_record_makes_it_again(bench, hsal_bench, seed_folder):
    bench(model="constant.py:Constant+label=1")
    path = seed_folder("Constant+label=1") / "record.json"
    _, *words = shlex.split(read_record(path).command)
    assert "constant.py:Constant+label=1" in words
    assert hsal_bench(*words, "--restart")[0] == 0
    assert read_record(path).config["label"] == 1


def test_two_methods_of_one_label_are_refused(bench, tmp_path):
    (tmp_path / "other.py").write_text(METHOD + "ANOTHER = True")
    code, _, err = bench(model="constant.py:Constant,other.py:Constant")
    assert code == 2
    assert "--model constant.py:Constant and other.py:Constant would share the folder Const" in err


def test_models_are_split_at_commas_but_for_those_of_numbers():
    assert requests.models(["a,b+x=1,2", "c+y=-.5,1e-3+z=u"]) == (
        *("a", "b+x=1,2"),
        *("c+y=-.5,1e-3+z=u",),
    )
    every = tuple(registry.names(registry.METHODS))
    assert requests.expanded(requests.models(["all"])) == every
    assert requests.expanded(requests.models(["x.py:X,all"])) == ("x.py:X", *every)
    assert requests.expanded([every[-1], "all"]) == (every[-1], *every[:-1])


def test_of_all_methods_one_that_its_package_broke_is_left_out(monkeypatch, capsys):
    broken = EntryPoint("a-broken", "no_such_module:X", registry.METHODS)
    found = dict(registry._points(registry.METHODS))
    some = {"a-broken": [broken], "rl": found["rl"]}
    monkeypatch.setattr(registry, "_points", lambda group: some)
    entries = methods.method_runs(requests.Request(("all",)), "quick")
    assert [entry.name for entry in entries] == ["rl"]
    assert (
        "left out: method 'a-broken' of no_such_module:X cannot be imp" in capsys.readouterr().err
    )
    with pytest.raises(registry.Broken, match="a-broken"):
        methods.method_runs(requests.Request(("a-broken", "all")), "quick")


def test_a_label_is_split_into_what_it_was_made_of():
    assert requests.split("a-b+x=1,2+y_z=p/q") == ("a-b", {"x": "1,2", "y_z": "p/q"})
    assert requests.split("a+x=1e+16") == ("a", {"x": "1e+16"})
    assert requests.split("f+g/m.py:M+learning-rate=3") == ("f+g/m.py:M", {"learning_rate": "3"})


def test_a_default_that_is_spelt_out_is_no_variant(bench, recorded):
    assert bench("--set", "label=0")[0] == 0
    assert recorded().settings == {}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("def update", "def renamed"), "is not a method: Constant lacks `update` (hsal_ben"),
        (
            ('inputs = "images"', 'inputs = "image"'),
            "Constant.inputs is 'image'; expected 'images' or 'acti",
        ),
        (("Config = Config", "Config = dict"), "Config is <class 'dict'>, not a dataclass"),
        (("int = 0", "dict = None"), "Constant.Config.label = None: --set cannot set a dict; use"),
    ],
)
def test_a_class_that_is_no_method_is_refused(bench, tmp_path, change, message):
    (tmp_path / "constant.py").write_text(METHOD.replace(*change))
    code, _, err = bench()
    assert code == 2
    assert message in err
