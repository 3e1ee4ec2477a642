"""The app in a real Chromium: what is clicked plays, links restore, keys reach, and nothing leaves this machine."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("streamlit")
pytest.importorskip("playwright")

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Locator, Page, sync_playwright

from tests.reports import app_runs
from tests.reports.app_runs import HOSTILE

pytestmark = [pytest.mark.browser, pytest.mark.app]
LONGEST_START_S, LONGEST_DRAWING_MS = 60, 60_000
DRAWN = "[data-testid=stApp][data-test-script-state=notRunning]"
CHARTS_DRAWN = """() => [...document.querySelectorAll('[data-testid=stVegaLiteChart]')].every(
    chart => chart.querySelector('svg.marks path, canvas.marks'))"""
"""The browser draws charts after the script has ended."""
VIEWS = ("Tables", "Listen", "Map", "Two runs")
STREAMLITS_OWN: dict[str, str] = {}
"""Rules of axe that Streamlit's own elements break, with the reason why each is left: none in 1.67."""
PLAYING = """async audio => {
    audio.muted = true;
    await audio.play();
    await new Promise(done => setTimeout(done, 400));
    return [audio.duration, audio.currentTime];
}"""


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of the app over two runs, served by the command."""
    folder = tmp_path_factory.mktemp("served")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EARMARK_HOME", str(folder / "home"))
        patch.setenv("EARMARK_RUNS", str(folder / "runs"))
        app_runs.audible(folder)
        app_runs.audible(folder, "longer", epochs=20)
        command = [sys.executable, "-m", "earmark", "app", "heard", "longer", "--no-browser"]
        log = (folder / "log.txt").open("w")
        with (
            log,
            subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True, env={**os.environ}) as server,
        ):
            assert server.stdout is not None
            line = server.stdout.readline()  # it is printed once the server answers
            assert line.startswith("http://127.0.0.1:"), (folder / "log.txt").read_text()
            yield line.split()[0]
            server.terminate()
            server.wait(LONGEST_START_S)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A Chromium without a screen."""
    with sync_playwright() as playwright:
        program = shutil.which("chromium") or shutil.which("chromium-browser")
        found = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield found
        found.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A page that fails its test for an error in the console or a request to another host."""
    wrong: list[str] = []
    opened = browser.new_page(viewport={"width": 1280, "height": 1200})
    opened.on("console", lambda said: wrong.append(said.text) if said.type == "error" else None)
    opened.on("pageerror", lambda error: wrong.append(str(error)))
    opened.on("request", lambda asked: wrong.append(asked.url) if not _is_here(asked.url) else None)
    opened.set_default_timeout(LONGEST_DRAWING_MS)
    yield opened
    opened.close()
    assert wrong == []


def _is_here(url: str) -> bool:
    return re.match(r"(http|ws)://127\.0\.0\.1:|data:|blob:", url) is not None


def drawn(page: Page) -> Page:
    """Return the page once nothing is drawn any more."""
    page.wait_for_timeout(250)
    page.wait_for_selector(DRAWN)
    page.wait_for_function(CHARTS_DRAWN)
    page.wait_for_timeout(250)
    return page


def opened(page: Page, url: str) -> Page:
    page.goto(url)
    page.wait_for_selector("h1:has-text('earmark')")
    return drawn(page)


def box(page: Page, label: str) -> Locator:
    """Return a select box by its label."""
    return page.get_by_role("combobox", name=label)


def choose(page: Page, label: str, option: str) -> None:
    """Choose an option of a select box by typing and Enter, without a mouse."""
    box(page, label).focus()
    page.keyboard.type(option)
    page.keyboard.press("Enter")
    drawn(page)


def clicked(page: Page, row: int, column: int) -> Page:
    """Click a cell of the heat map."""
    squares = page.locator("[data-testid=stVegaLiteChart] g.mark-rect.layer_0_marks path")
    squares.nth(row * len(HOSTILE) + column).click(force=True)
    return drawn(page)


def test_a_cell_that_is_clicked_plays_its_clips_and_shows_their_spectrograms(page: Page, address: str) -> None:
    opened(page, f"{address}/?view=Listen&deformation=snr0+**b**")
    seen = set()
    for place in range(len(HOSTILE) ** 2):
        clicked(page, *divmod(place, len(HOSTILE)))
        seen.add(page.url)
        if page.locator("audio").count():
            break
    assert len(seen) == place + 1  # every click is a view of its own
    duration_s, played_s = page.locator("audio").first.evaluate(PLAYING)
    assert duration_s > 0
    assert played_s > 0
    picture = page.get_by_alt_text("Mel spectrogram").first
    assert picture.evaluate("image => image.naturalWidth") > 0


def test_a_cell_is_chosen_by_keyboard_too_and_can_be_clicked_again(page: Page, address: str) -> None:
    opened(page, f"{address}/?view=Listen")
    clicked(page, 1, 1)
    first = page.url
    choose(page, "Target", HOSTILE[3][:20])
    assert page.url != first
    assert clicked(page, 1, 1).url == first


def test_a_point_of_the_map_plays_its_clip(page: Page, address: str) -> None:
    opened(page, f"{address}/?view=Map")
    before = page.url
    page.locator("[data-testid=stVegaLiteChart] g.mark-symbol.layer_0_marks path").nth(5).click(force=True)
    assert drawn(page).url != before
    assert page.locator("audio").first.evaluate(PLAYING)[0] > 0


def test_freezing_two_variables_by_keyboard_re_shapes_the_table(page: Page, address: str) -> None:
    opened(page, f"{address}/?runs=heard")
    before = page.locator("table").first.locator("tr").count(), page.locator("thead th").count()
    for name in ("probe", "representation"):
        choose(page, "Freeze", name)
        page.keyboard.press("Escape")
    choose(page, "probe is", "near")
    assert "freeze=probe&freeze=representation" in page.url
    after = page.locator("table").first.locator("tr").count(), page.locator("thead th").count()
    assert after < before


def test_a_link_restores_its_view(page: Page, browser: Browser, address: str) -> None:
    opened(page, f"{address}/?view=Listen&system=mfcc+%28mean%29%2C+near")
    clicked(page, 2, 3)
    text, url = page.locator("[data-testid=stMain]").inner_text(), page.url
    other = browser.new_page(viewport={"width": 1280, "height": 1200})
    assert opened(other, url).url == url
    assert other.locator("[data-testid=stMain]").inner_text() == text
    other.close()


def test_the_back_key_of_the_browser_goes_back(page: Page, address: str) -> None:
    opened(page, f"{address}/?runs=heard")
    choose(page, "Layout", "deformations")
    assert "preset=deformations" in page.url
    page.go_back()
    assert "preset" not in drawn(page).url
    assert box(page, "Layout").input_value() == "scores"


def test_tab_reaches_every_control_and_the_table(page: Page, address: str) -> None:
    opened(page, address)
    reached = set()
    for _ in range(60):
        page.keyboard.press("Tab")
        reached.add(
            page.evaluate("document.activeElement.getAttribute('aria-label') || document.activeElement.innerText")
        )
    wanted = (
        "Layout",
        "Rows",
        "Columns",
        "Freeze",
        "Metric",
        "Average",
        "A cell shows",
        "Mark ties",
        "Tables",
        "Table 1",
    )
    for name in (*wanted, "Save as Markdown"):
        assert any(name in str(one) for one in reached), (name, reached)


@pytest.mark.parametrize("view", VIEWS)
def test_a_narrow_screen_needs_no_sideways_scrolling(page: Page, address: str, view: str) -> None:
    page.set_viewport_size({"width": 360, "height": 740})
    opened(page, f"{address}/?view={view}")
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    assert page.get_by_role("radio", name=view).is_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("view", VIEWS)
def test_axe_finds_nothing(page: Page, address: str, view: str, scheme: Any) -> None:
    page.emulate_media(color_scheme=scheme)
    opened(page, f"{address}/?view={view}")
    found = Axe().run(page).response["violations"]
    assert [(one["id"], one["nodes"][0]["html"]) for one in found if one["id"] not in STREAMLITS_OWN] == []


@pytest.mark.parametrize("view", VIEWS)
def test_hostile_labels_are_shown_as_text(page: Page, address: str, view: str) -> None:
    opened(page, f"{address}/?view={view}&rows=label&rows=representation")
    assert page.title() == "earmark"
    assert not page.locator("[data-testid=stMain] :is(a[href='x'], script, .katex)").count()
    if view == "Tables":
        assert page.get_by_text(HOSTILE[0], exact=True).first.is_visible()
        assert page.get_by_text(HOSTILE[1], exact=True).first.is_visible()


def test_only_this_machine_reaches_it_and_a_taken_port_is_refused(address: str, tmp_path: Path) -> None:
    port = address.rpartition(":")[2]
    command = [sys.executable, "-m", "earmark", "app", "heard", "--no-browser", "--port", port]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=LONGEST_START_S)
    assert done.returncode == 2
    assert f"Port {port} is taken" in done.stderr
