"""Pages of Dagster's UI: opened, waited for, and pictured where a folder is named."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

LOCATION = "coc_assets"
WAIT_MS = 60_000


@dataclass(frozen=True)
class Ui:
    """A browser's page on Dagster's web server.

    Attributes:
        page: of playwright.
        address: where the server answers.
        pictures: folder that pictures are saved to; None saves none.
    """

    page: Any
    address: str
    pictures: Path | None = None

    def open(self, path: str, *, shows: str) -> Any:
        """Goes to a path and waits until the page shows a text."""
        self.page.goto(self.address + path)
        self.wait_for(shows)
        return self.page

    def asset(self, name: str, view: str, *, shows: str, **more: str) -> Any:
        """A tab of an asset: `overview`, `partitions`, `events`, `checks` or `lineage`."""
        query = "&".join([f"view={view}", *(f"{key}={value}" for key, value in more.items())])
        return self.open(f"/assets/{name}?{query}", shows=shows)

    def wait_for(self, text: str) -> None:
        self.page.get_by_text(text, exact=True).first.wait_for(timeout=WAIT_MS)

    def picture(self, name: str) -> None:
        """Saves what the page shows as `<name>.png`."""
        if self.pictures:
            self.pictures.mkdir(parents=True, exist_ok=True)
            self.page.wait_for_load_state("networkidle")
            self.page.screenshot(path=str(self.pictures / f"{name}.png"), animations="disabled")

    def open_markdown(self, of: str) -> Any:
        """Opens the dialog of a metadata entry that is Markdown, and returns its pictures once they are drawn."""
        row = self.page.locator("tr", has=self.page.get_by_text(of, exact=True))
        row.get_by_text("[Show Markdown]").first.click()
        drawn = "() => [...document.querySelectorAll('img')].some(one => one.complete && one.naturalWidth > 0)"
        self.page.wait_for_function(drawn, timeout=WAIT_MS)
        return self.page.locator("img")

    def close_dialog(self) -> None:
        self.page.get_by_role("button", name="Close").click()
        self.page.locator("img").wait_for(state="detached", timeout=WAIT_MS)
