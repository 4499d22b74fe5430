"""The report in a real browser: no console errors; sorting, searching, copying and the narrow screen work."""

import html
import json
import re
import shutil
import subprocess

import pytest

import selectormlp as sm

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update", "--enable-logging=stderr",
    "--virtual-time-budget=5000", "--dump-dom",
)  # fmt: skip

pytestmark = pytest.mark.skipif(BROWSER is None, reason="no Chromium or Chrome is installed")

CHECK = """
<script>
(async () => {
  const seen = { errors: [] };
  window.addEventListener("error", (event) => seen.errors.push(event.message));
  const genes = () => [...document.querySelectorAll("#table-panel tbody tr")]
    .filter((row) => !row.hidden).map((row) => row.cells[1].textContent);
  const said = () => document.getElementById("said").textContent;
  const heads = [...document.querySelectorAll("#table-panel th")];
  const head = (name) => heads.find((one) => one.textContent === name);
  const cells = (name) => [...document.querySelectorAll("#table-panel tbody tr")]
    .map((row) => Number(row.cells[heads.indexOf(head(name))].dataset.value));
  seen.before = genes();
  head("gene").querySelector("button").click();
  seen.byName = genes();
  seen.sort = head("gene").getAttribute("aria-sort");
  head("loss").querySelector("button").click();
  seen.losses = cells("loss");
  head("loss").querySelector("button").click();
  seen.lossesUp = cells("loss");
  let copied = null;
  Object.defineProperty(navigator, "clipboard", { configurable: true,
    value: { writeText: async (text) => { copied = text; } } });
  const search = document.getElementById("search");
  search.value = "GENE1"; search.dispatchEvent(new Event("input"));
  seen.found = genes(); seen.saidFound = said();
  document.getElementById("copy").click();
  await new Promise((done) => setTimeout(done, 50));
  seen.copied = copied; seen.saidCopied = said();
  search.value = ""; search.dispatchEvent(new Event("input"));
  seen.all = genes().length;
  const csv = document.getElementById("csv");
  seen.csv = [csv.download, decodeURIComponent(csv.href).split("\\n")[1]];
  seen.overflow = document.documentElement.scrollWidth - document.documentElement.clientWidth;
  seen.fetched = performance.getEntriesByType("resource").map((one) => one.name)
    .filter((name) => !name.startsWith("data:"));
  const result = document.createElement("pre");
  result.id = "seen"; result.textContent = JSON.stringify(seen);
  document.body.append(result);
})();
</script>
"""


@pytest.fixture(scope="module")
def report(make_adata, tmp_path_factory):
    adata = make_adata()
    adata.var_names = ["<script>alert(1)</script>", *adata.var_names[1:]]
    panel = sm.select(
        adata,
        label_key="cell_type",
        n_genes=6,
        must_have=[adata.var_names[0], "gene1", "gene10"],
        method="discriminant",
    )
    folder = tmp_path_factory.mktemp("report")
    flags = {"label_key": "cell_type", "n_splits": 2, "n_stability": 0, "robustness": False}
    file = sm.report(adata, panel, folder, **flags)
    checked = folder / "checked.html"
    checked.write_text(file.read_text().replace("</body>", f"{CHECK}</body>"))
    return panel, checked


def look(file, folder, width):
    command = [BROWSER, *FLAGS, f"--user-data-dir={folder / 'profile'}", f"--window-size={width},900", file.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    seen = re.search(r'<pre id="seen">(.*?)</pre>', done.stdout, re.DOTALL)
    assert seen, done.stderr[-2000:]
    return json.loads(html.unescape(seen[1])), [line for line in done.stderr.splitlines() if "CONSOLE" in line]


def test_the_page_works(report, tmp_path):
    panel, file = report
    seen, console = look(file, tmp_path, 1280)
    assert console == []
    assert seen["errors"] == []
    assert seen["before"] == list(panel.genes)
    assert seen["byName"] != seen["before"]
    assert sorted(seen["byName"]) == sorted(panel.genes)
    assert seen["byName"].index("gene1") < seen["byName"].index("gene10")
    assert seen["sort"] == "ascending"
    assert seen["losses"] == sorted(seen["losses"], reverse=True)
    assert seen["lossesUp"] == sorted(seen["losses"])
    assert "gene1" in seen["found"]
    assert len(seen["found"]) < 6
    assert seen["saidFound"] == f"{len(seen['found'])} of 6 genes"
    assert seen["copied"].split("\n") == seen["found"]
    assert seen["saidCopied"] == f"{len(seen['found'])} genes copied"
    assert seen["all"] == 6
    assert seen["csv"][0] == "panel.csv"
    assert "<script>alert(1)</script>" in seen["csv"][1]
    assert seen["fetched"] == []


def test_a_narrow_screen_scrolls_tables_and_not_the_page(report, tmp_path):
    seen, console = look(report[1], tmp_path, 500)  # the least that a window of Chromium takes
    assert console == []
    assert seen["overflow"] <= 0
