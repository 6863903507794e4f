"""The page in a browser: it works by mouse and keyboard, fits a phone, and runs nothing foreign."""

import shutil

import pytest

from hsal_bench.leaderboard.page.page import page as page_of
from hsal_bench.record.record import DataSet

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

pytestmark = pytest.mark.slow

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
PHONE, DESK = {"width": 360, "height": 740}, {"width": 1280, "height": 800}
SWITCH = "<script>window.harmed = 1</script><img src=x onerror='window.harmed = 1'>"
OPEN_ALL = "document.querySelectorAll('details').forEach(details => { details.open = true; })"
FROM = DataSet("mnist-multiset", "ab12" * 16, {"train": 60, "test": 400}, "m.h5")


@pytest.fixture(scope="module")
def browser():
    """Playwright's own Chromium, or the machine's."""
    installed = next(filter(None, map(shutil.which, BROWSERS)), None)
    with playwright.sync_playwright() as driver:
        try:
            found = driver.chromium.launch()
        except playwright.Error:
            if installed is None:
                pytest.skip("no browser: `make browser` installs one")
            found = driver.chromium.launch(executable_path=installed)
        yield found
        found.close()


@pytest.fixture
def show(browser, tmp_path):
    """Return a function that opens the page of records; nothing may be loaded or complained of."""
    contexts, complaints, loaded = [], [], []

    def show(entries, viewport=DESK, scheme="light", place="", **options):
        file = tmp_path / "board.html"
        file.write_text(page_of(entries, file).text, encoding="utf-8")
        contexts.append(browser.new_context(viewport=viewport, color_scheme=scheme, **options))
        shown = contexts[-1].new_page()
        shown.on("console", lambda message: complaints.append(message.text))
        shown.on("pageerror", lambda error: complaints.append(str(error)))
        shown.on("request", lambda request: loaded.append(request.url))
        shown.goto(file.as_uri() + place)
        return shown

    yield show
    for context in contexts:
        context.close()
    assert complaints == []
    assert {url.split(":")[0] for url in loaded} <= {"file", "data"}
    assert len([url for url in loaded if url.startswith("file")]) == len(contexts)


@pytest.fixture
def entries(run, bad):
    """Four methods, two of equal rank, on two datasets."""
    long = "count-classifier+hidden=512+learning_rate=0.003+weight_decay=0.0001"
    other = DataSet("mnist-multiset-5to8", "cd" * 32, {"test": 400}, "o.h5")
    return [
        run("slow", right=380, wall_s=900.0),
        run("quick", right=100, wall_s=9.0),
        run(long, right=240, wall_s=80.0, metrics={"exact_match": 0.6}),
        bad(reason="the loss is nan", method="broken"),
        run("slow", right=30, data_set=other, trained_on=FROM, curve=()),
        bad("unsupported", "built for 4 objects", method="quick", data_set=other, trained_on=FROM),
    ]


def names(shown, table=0):
    rows = shown.locator("table.sortable").nth(table).locator("tbody[data-name]")
    return [row.get_attribute("data-name").split("+")[0] for row in rows.all()]


def heading(shown, name):
    return shown.locator("table.sortable").first.locator(f"th:has(button[data-sort={name}])")


@pytest.mark.parametrize("viewport", [PHONE, DESK], ids=["phone", "desk"])
def test_nothing_is_wider_than_the_window(show, entries, viewport):
    shown = show(entries, viewport)
    shown.evaluate(OPEN_ALL)
    assert shown.evaluate("document.documentElement.scrollWidth") == viewport["width"]
    # Panels are read without scrolling sideways, however wide the table is that they stand in.
    widths = shown.eval_on_selector_all(
        ".panel", "panels => panels.map(panel => panel.getBoundingClientRect().right)"
    )
    assert max(widths) <= viewport["width"]


WIDTHS = pytest.mark.parametrize("width", [360, 390, 768, 1280])
LONG = ("distribution-matching", "one-step-matching", "count-classifier", "query-transformer")
BROKEN_WORDS = """names => names.flatMap(name => {
    const walker = document.createTreeWalker(name, NodeFilter.SHOW_TEXT), broken = [];
    for (let text = walker.nextNode(); text; text = walker.nextNode())
        for (const word of text.data.matchAll(/[A-Za-z0-9]+-?/g)) {
            const range = document.createRange();
            range.setStart(text, word.index);
            range.setEnd(text, word.index + word[0].length);
            const lines = new Set([...range.getClientRects()].map(box => box.top));
            if (lines.size > 1) broken.push(word[0]);
        }
    return broken;
})"""


@pytest.fixture
def wide(run, elsewhere):
    """Methods with long names and wide numbers, one of them a submission."""
    entries = [
        run(name, seed, right=380 - 9 * k - seed, wall_s=2345.6 + 99 * seed, parameters=12_345_678)
        for k, name in enumerate(LONG)
        for seed in range(2)
    ]
    return [*entries, elsewhere(right=9)]


@WIDTHS
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_column_is_cut_without_a_hint(show, wide, width, scheme):
    shown = show(wide, {"width": width, "height": 800}, scheme)
    board, line = shown.locator(".board"), shown.locator(".more-columns")
    cut = board.evaluate("board => board.scrollWidth > board.clientWidth")
    assert cut == (width < 1000)
    assert line.is_visible() == cut
    shadows = board.evaluate("board => getComputedStyle(board).backgroundAttachment")
    assert shadows == "local, local, scroll, scroll"
    shown.set_viewport_size({"width": 1600 - width if cut else 400, "height": 800})
    now = board.evaluate("board => board.scrollWidth > board.clientWidth")
    assert line.is_visible() == now


@WIDTHS
def test_names_break_only_after_hyphens_and_at_settings(show, wide, width):
    shown = show(wide, {"width": width, "height": 800})
    for place in (".sortable .main th", ".legend", ".sizes", ".main td", "h2"):
        assert shown.eval_on_selector_all(place, BROKEN_WORDS) == [], place


def test_a_name_without_breaks_leaves_room_for_numbers(show, run):
    shown = show([run("x" * 150), run("b")], PHONE)
    assert shown.locator(".main th").first.bounding_box()["width"] < 180
    assert shown.evaluate("document.documentElement.scrollWidth") == PHONE["width"]


def test_the_lines_of_fifteen_methods_differ(show, run):
    shown = show([run(f"m{k}", right=300 - k) for k in range(15)])
    looks = shown.eval_on_selector_all(
        ".legend line",
        "lines => lines.map(line => getComputedStyle(line).stroke + getComputedStyle(line)"
        ".strokeDasharray)",
    )
    assert len(set(looks)) == len(looks) == 15
    assert len({look.split(")")[0] for look in looks}) >= 12


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_texts_can_be_read(show, entries, scheme):
    shown = show(entries, scheme=scheme)
    contrast = """selector => {
        const light = rgb => rgb.match(/[0-9.]+/g).slice(0, 3).map(v => v / 255)
            .map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
            .reduce((sum, v, k) => sum + v * [0.2126, 0.7152, 0.0722][k], 0);
        const style = getComputedStyle(document.querySelector(selector));
        const ink = light(selector.startsWith("svg") ? style.fill : style.color);
        const paper = light(getComputedStyle(document.body).backgroundColor);
        return (Math.max(ink, paper) + 0.05) / (Math.min(ink, paper) + 0.05);
    }"""
    for selector in (
        "p.lead",
        ".about",
        "summary",
        "thead button",
        ".problem",
        "svg text",
        "nav a",
    ):
        assert shown.evaluate(contrast, selector) >= 4.5, selector


def test_a_heading_sorts_both_ways_and_says_so(show, entries):
    shown = show(entries)
    assert names(shown) == ["slow", "count-classifier", "quick", "broken"]
    time = heading(shown, "wall_s")
    time.locator("button").click()
    assert time.get_attribute("aria-sort") == "ascending"
    assert heading(shown, "rank").get_attribute("aria-sort") == "none"
    assert names(shown) == ["quick", "count-classifier", "slow", "broken"]
    time.locator("button").press("Enter")
    assert time.get_attribute("aria-sort") == "descending"
    # What has no number stays last.
    assert names(shown) == ["slow", "count-classifier", "quick", "broken"]
    heading(shown, "method").locator("button").click()
    assert names(shown) == ["broken", "count-classifier", "quick", "slow"]
    assert names(shown, table=1) == ["slow", "quick"]


def test_the_filter_keeps_the_rows_and_curves_of_a_name(show, entries):
    shown = show(entries)
    shown.get_by_label("Filter methods by name").fill("SLO")
    visible = shown.locator("[data-name]").filter(visible=True).all()
    assert {item.get_attribute("data-name") for item in visible} == {"slow"}
    assert shown.locator("output").inner_text() == "2 of 6 rows"
    shown.get_by_label("Filter methods by name").fill("")
    assert shown.locator("tbody[data-name]").filter(visible=True).count() == 6


def test_a_number_leads_to_its_record(show, entries):
    shown = show(entries)
    row = shown.locator("tbody[data-name=quick]").first
    assert not row.locator(".panel").is_visible()
    row.get_by_role("link", name="0.250").click()
    assert row.locator(".panel").is_visible()
    assert row.locator("a.file").inner_text() == "runs/mnist-multiset/quick/seed-0/record.json"
    # A second time, after the row was closed.
    row.locator("summary").click()
    assert not row.locator(".panel").is_visible()
    row.get_by_role("link", name="0.250").click()
    assert row.locator(".panel").is_visible()


def test_an_address_with_a_row_opens_it(show, entries):
    shown = show(entries, place="#mnist-multiset-ab12ab12-quick")
    opened = [panel for panel in shown.locator(".panel").all() if panel.is_visible()]
    assert [panel.get_attribute("id") for panel in opened] == ["mnist-multiset-ab12ab12-quick"]


@pytest.mark.parametrize("place", ["#%", "#%E0%A4%A", "#%zz", "#all_results", "#none"])
def test_an_address_that_names_no_row_harms_nothing(show, entries, place):
    shown = show(entries, place=place)
    assert not any(panel.is_visible() for panel in shown.locator(".panel").all())
    # The rest of the script has run.
    shown.get_by_label("Filter methods by name").fill("SLO")
    assert shown.locator("output").inner_text() == "2 of 6 rows"


def test_the_keyboard_reaches_rows_and_skips_the_head(show, entries):
    shown = show(entries)
    shown.keyboard.press("Tab")
    assert shown.evaluate("document.activeElement.textContent") == "Skip to the results"
    assert shown.locator(".skip").bounding_box()["x"] >= 0
    shown.keyboard.press("Enter")
    assert shown.evaluate("document.activeElement.id") == "all_results"
    shown.locator("summary").first.focus()
    shown.keyboard.press("Enter")
    assert shown.locator(".panel").first.is_visible()


def test_a_curve_that_has_the_focus_shows_its_name(show, entries):
    shown = show(entries)
    curve = shown.locator(".charts .series[data-name=quick]").first
    name = curve.locator("text.shown")
    assert name.evaluate("text => getComputedStyle(text).visibility") == "hidden"
    curve.focus()
    assert name.evaluate("text => getComputedStyle(text).visibility") == "visible"


def test_a_row_lights_up_its_curves(show, entries):
    shown = show(entries)
    shown.locator("tbody[data-name=quick] th").first.hover()
    lit = shown.locator(".charts .lit").all()
    assert {item.get_attribute("data-name") for item in lit} == {"quick"}
    assert len(lit) == 3


def test_the_command_is_copied(show, entries):
    shown = show(entries, permissions=["clipboard-read", "clipboard-write"])
    row = shown.locator("tbody[data-name=slow]").first
    row.locator("summary").click()
    row.get_by_role("button", name="Copy").click()
    row.get_by_role("button", name="Copied").wait_for()
    assert shown.evaluate("navigator.clipboard.readText()") == "hsal-bench run --model slow"


def test_what_a_record_says_is_never_run(show, run, bad):
    hostile = {"config": {SWITCH: SWITCH}, "command": SWITCH, "device": SWITCH}
    shown = show([run(f"</script>{SWITCH}", **hostile), bad(reason=SWITCH, method="b")])
    shown.evaluate(OPEN_ALL)
    shown.locator(".charts .series").first.hover()
    assert shown.evaluate("window.harmed === undefined")
    assert SWITCH in shown.locator(".panel").first.inner_text()


def test_without_scripts_everything_can_be_read(show, entries):
    shown = show(entries, java_script_enabled=False)
    assert not shown.locator("form.filter").is_visible()
    shown.locator("summary").first.click()
    assert shown.locator(".panel").first.is_visible()
    assert not shown.locator(".copy").first.is_visible()
