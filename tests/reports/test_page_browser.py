"""The page in a real Chromium: it opens without an error or a request, is heard, seen, typed through, and sent on."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from earmark.experiment.results import Run
from earmark.reports import page
from tests.reports.page_runs import SNR0, run

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

__all__ = ["run"]  # a fixture
pytestmark = pytest.mark.browser
sync_api = pytest.importorskip("playwright.sync_api")

DEEP = "document.querySelector('#heard-head').textContent"
SHOWN_MS = 10_000


@pytest.fixture(scope="module")
def embedded(run: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return page.report(run, embed_audio=True, output=tmp_path_factory.mktemp("alone") / "page.html").file


@pytest.fixture(scope="module")
def linked(run: Run) -> Path:
    return page.report(run, clips=6).file


@pytest.fixture(scope="module")
def chromium() -> Iterator["Browser"]:
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    with sync_api.sync_playwright() as playwright:
        started = playwright.chromium.launch(
            executable_path=program, args=["--no-sandbox", "--autoplay-policy=no-user-gesture-required"]
        )
        yield started
        started.close()


class Watched:
    """A tab that remembers what went wrong in it, and every address it asked for."""

    def __init__(self, browser: "Browser", file: Path, after: str = "", width: int = 1280, dark: bool = False):
        self.tab = browser.new_page(
            viewport={"width": width, "height": 800}, color_scheme="dark" if dark else "light", reduced_motion="reduce"
        )
        self.wrong: list[str] = []
        self.asked: list[str] = []
        self.tab.on("console", lambda said: self.wrong.append(said.text) if said.type in ("error", "warning") else None)
        self.tab.on("pageerror", lambda error: self.wrong.append(str(error)))
        self.tab.on("request", lambda request: self.asked.append(request.url))
        self.tab.set_default_timeout(SHOWN_MS)
        self.tab.goto(file.as_uri() + after)

    def close(self) -> None:
        """Close the tab; fail if anything went wrong, a script of the data ran, or another host was asked."""
        assert self.tab.evaluate("window.hacked") is None
        self.tab.close()
        assert self.wrong == []
        assert {urlsplit(address).scheme for address in self.asked} <= {"file", "data"}
        assert not any(urlsplit(address).netloc for address in self.asked)


def heard_seconds(tab: "Page", player: str) -> float:
    """Play an audio element and return up to where it has come."""
    return float(
        tab.evaluate(
            """async (name) => {
              const audio = document.querySelector(name);
              audio.muted = false;
              await audio.play();
              const start = audio.currentTime;
              for (let wait = 0; wait < 100 && audio.currentTime < start + 0.1; wait++) {
                await new Promise((done) => setTimeout(done, 50));
              }
              const heard = audio.currentTime - start;
              audio.pause();
              return audio.duration > 0 ? heard : -1;
            }""",
            player,
        )
    )


@pytest.mark.parametrize("deformation", ["clean", SNR0])
def test_a_cell_shows_its_clips_which_are_seen_and_heard(chromium: "Browser", embedded: Path, deformation: str) -> None:
    watched = Watched(chromium, embedded)
    watched.tab.select_option("#deformation", label=deformation)
    watched.tab.click("#matrix button.wrong >> nth=0")
    assert watched.tab.evaluate("document.querySelector('#clips img').decode().then(() => true)")
    assert watched.tab.evaluate("document.querySelector('#clips img').naturalWidth") > 0
    assert heard_seconds(watched.tab, "#clips audio") >= 0.1
    assert f"just what the model heard ({deformation})" in watched.tab.inner_text("#clips")
    watched.close()


def test_linked_sound_plays_its_own_seconds_and_says_that_it_is_clean(chromium: "Browser", linked: Path) -> None:
    watched = Watched(chromium, linked)
    watched.tab.select_option("#deformation", label=SNR0)
    watched.tab.click("#matrix button.heard >> nth=0")
    assert f"clean file; the model heard {SNR0}" in watched.tab.inner_text("#heard")
    assert heard_seconds(watched.tab, "#clips audio") >= 0.1
    start = float(watched.tab.evaluate("document.querySelector('#clips audio').src.split('#t=')[1].split(',')[0]"))
    assert start >= 8, "the test clips are the last seconds of their files"
    assert start <= watched.tab.evaluate("document.querySelector('#clips audio').currentTime") <= start + 1
    watched.close()


def test_a_clip_without_picture_plays_from_its_line(chromium: "Browser", linked: Path) -> None:
    watched = Watched(chromium, linked)
    for number in range(watched.tab.locator("#matrix button").count()):
        watched.tab.locator("#matrix button").nth(number).click()
        if watched.tab.locator("#others button").count():
            break
    watched.tab.click("#others button >> nth=0")
    assert heard_seconds(watched.tab, "#others audio") >= 0.1
    watched.close()


def test_an_address_restores_the_view(chromium: "Browser", embedded: Path) -> None:
    first = Watched(chromium, embedded)
    first.tab.select_option("#model", index=1)
    first.tab.select_option("#deformation", label=SNR0)
    first.tab.click("#matrix button >> nth=-1")
    address, said = first.tab.url, first.tab.evaluate(DEEP)
    first.close()
    second = Watched(chromium, embedded, "#" + address.partition("#")[2])
    assert second.tab.evaluate(DEEP) == said
    assert second.tab.evaluate("document.querySelector('#model').value") == "1"
    assert second.tab.evaluate("document.querySelector('#deformation').selectedOptions[0].textContent") == SNR0
    assert second.tab.locator("[aria-pressed=true]").count() == 1
    assert second.tab.locator("#heard").is_visible()
    second.close()


@pytest.mark.parametrize("after", ["#task=gone&model=gone", "#task=tone&is=gone&said=%E0%A4%A", "#scores", "#"])
def test_an_address_of_what_is_not_there_opens_the_page_all_the_same(
    chromium: "Browser", embedded: Path, after: str
) -> None:
    watched = Watched(chromium, embedded, after)
    assert watched.tab.locator("#matrix button").count() > 0
    watched.close()


@pytest.mark.parametrize("width", [360, 1280])
def test_no_width_makes_the_page_scroll_sideways(chromium: "Browser", embedded: Path, width: int) -> None:
    watched = Watched(chromium, embedded, width=width)
    watched.tab.click("#matrix button >> nth=0")
    for one in watched.tab.locator("details").all():
        one.evaluate("one => { one.open = true; }")
    assert watched.tab.evaluate("document.documentElement.scrollWidth") <= width
    watched.close()


def test_the_keyboard_reaches_a_cell_opens_it_and_comes_back(chromium: "Browser", embedded: Path) -> None:
    watched = Watched(chromium, embedded)
    press = watched.tab.keyboard.press
    for _ in range(200):
        press("Tab")
        if watched.tab.evaluate("Boolean(document.activeElement.dataset.cell)"):
            break
    cell = watched.tab.evaluate("document.activeElement.dataset.cell")
    assert cell
    press("Enter")
    assert watched.tab.evaluate("document.activeElement.id") == "heard-head"
    assert watched.tab.locator("#clips li").count() + watched.tab.locator("#others tbody tr").count() > 0
    watched.tab.focus("#back")
    press("Enter")
    assert watched.tab.evaluate("document.activeElement.dataset.cell") == cell
    places = set()
    for key in ("ArrowDown", "ArrowRight", "ArrowDown", "ArrowLeft", "ArrowUp", "ArrowUp"):
        press(key)
        places.add(watched.tab.evaluate("document.activeElement.dataset.cell"))
    assert len(places) > 1
    assert watched.tab.locator("#matrix button[tabindex='0']").count() == 1
    watched.close()


@pytest.mark.parametrize("dark", [False, True])
def test_no_barrier_is_found(chromium: "Browser", embedded: Path, dark: bool) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    watched = Watched(chromium, embedded, dark=dark)
    watched.tab.click("#matrix button >> nth=0")
    for one in watched.tab.locator("details").all():
        one.evaluate("one => { one.open = true; }")
    found = axe.Axe().run(watched.tab).response["violations"]
    assert [(one["id"], node["html"][:200]) for one in found for node in one["nodes"]] == []
    watched.close()


def test_hostile_labels_are_read_as_they_are(chromium: "Browser", embedded: Path) -> None:
    watched = Watched(chromium, embedded)
    heads = watched.tab.locator("#matrix tbody th").all_text_contents()
    assert '<img src=x onerror="window.hacked=1">' in heads
    assert "</script><script>window.hacked=1</script>" in heads
    assert any("[U+202E]" in head for head in heads), "what turns the line round is named"
    assert watched.tab.locator("h1").inner_text() == "tones <script>window.hacked=1</script>"
    watched.close()


def test_no_foreign_script_may_run_even_if_one_got_in(chromium: "Browser", embedded: Path) -> None:
    tab = chromium.new_page()
    tab.goto(embedded.as_uri())
    tab.evaluate("""() => {
      const script = document.createElement("script");
      script.textContent = "window.hacked = 1";
      document.body.append(script);
    }""")
    assert tab.evaluate("window.hacked") is None
    tab.close()
