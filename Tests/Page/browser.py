"""Chromium for the tests of the page, and the pictures that they use."""

import base64
import io
import json
import os
import pathlib
import tempfile
import unittest

from mock_server import Mock
from PIL import Image, ImageDraw
from selenium import webdriver
from selenium.common.exceptions import StaleElementReferenceException
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.actions.action_builder import ActionBuilder
from selenium.webdriver.common.actions.interaction import POINTER_TOUCH
from selenium.webdriver.common.actions.pointer_input import PointerInput
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait

PHOTO = pathlib.Path(__file__).resolve().parents[1] / "TestSupport/Fixtures/photos/0001.jpg"
PHOTO_SIZE = (600, 346)
REAL_SERVER = os.environ.get("PVIT_PAGE_URL", "").rstrip("/")
DOWNLOADS = tempfile.TemporaryDirectory()


def open_browser():
    options = Options()
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--force-device-scale-factor=1"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    options.add_experimental_option("prefs", {"download.default_directory": DOWNLOADS.name})
    path = "/usr/bin/chromedriver"
    driver = webdriver.Chrome(options=options, service=Service(path if os.path.exists(path) else None))
    driver.execute_cdp_cmd("Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": DOWNLOADS.name})
    return driver


def save_picture(name, size, marks=(), **options):
    """Writes a picture with red squares of 9 × 9 pixels whose upper left corners are at the marks."""
    path = pathlib.Path(DOWNLOADS.name) / name
    if not path.exists():
        picture = Image.new("RGB", size, (250, 250, 250))
        draw = ImageDraw.Draw(picture)
        for x, y in marks:
            draw.rectangle((x, y, x + 8, y + 8), fill=(255, 0, 0))
        picture.save(path, **options)
    return path


class PageTest(unittest.TestCase):
    """One browser for all tests; each begins with an empty storage and a server that does what it should."""

    needs_mock = True

    @classmethod
    def setUpClass(cls):
        if REAL_SERVER and cls.needs_mock:
            raise unittest.SkipTest("needs the mock server")
        cls.mock = Mock()
        cls.url = REAL_SERVER + "/" if REAL_SERVER else cls.mock.start()
        cls.driver = open_browser()

    @classmethod
    def tearDownClass(cls):
        cls.driver.quit()
        if not REAL_SERVER:
            cls.mock.stop()

    def setUp(self):
        self.mock.reset()
        self.resize(1280, 800)
        self.driver.get(self.url + "health")
        self.driver.execute_async_script(
            "localStorage.clear(); sessionStorage.clear(); const done = arguments[0];"
            "const request = indexedDB.deleteDatabase('pvit'); request.onsuccess = request.onerror = () => done();"
        )
        self.emulate()
        self.driver.get_log("browser")
        self.driver.get_log("performance")

    def tearDown(self):
        """In no test may the page break its content security policy, throw, or talk to anybody but its server."""
        if not REAL_SERVER:
            for gate in self.mock.gates.values():
                gate.set()
        for entry in self.driver.get_log("browser"):
            self.assertNotRegex(entry["message"], "Content Security Policy|Uncaught|favicon")
        for entry in self.driver.get_log("performance"):
            message = json.loads(entry["message"])["message"]
            if message["method"] == "Network.requestWillBeSent":
                self.assertRegex(message["params"]["request"]["url"], f"^({self.url}|data:|blob:|about:|chrome)")

    # The window

    def resize(self, width, height):
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)

    def emulate(self, **features):
        """Emulates media features, such as prefers_color_scheme="dark"."""
        values = [{"name": name.replace("_", "-"), "value": value} for name, value in features.items()]
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": values})

    def load(self, picture=None):
        self.driver.get(self.url)
        self.wait(lambda: self.css("body[data-ready]"))
        if not self.mock.key and self.mock.ready:
            self.wait(lambda: "context" in self.one("#model").text)
        if picture:
            self.pick(picture)

    def pick(self, picture):
        self.one("#file").send_keys(str(picture))
        self.wait(lambda: picture.name in self.one("#stage").get_attribute("aria-label"))
        self.settle()

    def settle(self):
        """Waits until the page has drawn."""
        self.driver.execute_async_script(
            "const done = arguments[0]; requestAnimationFrame(() => requestAnimationFrame(() => done()))"
        )

    # Elements

    def css(self, selector):
        return self.driver.find_elements(By.CSS_SELECTOR, selector)

    def one(self, selector):
        found = self.css(selector)
        self.assertEqual(len(found), 1, f"{len(found)} elements are {selector}")
        return found[0]

    def visible(self, selector):
        return self.js(
            "return [...document.querySelectorAll(arguments[0])].filter(element => element.checkVisibility())", selector
        )

    def texts(self, selector):
        """The texts of the visible elements, read at once: the page may replace elements at any time."""
        return self.js(
            "return [...document.querySelectorAll(arguments[0])].filter(element => element.checkVisibility())"
            ".map(element => element.innerText.trim())",
            selector,
        )

    def button(self, label, within=""):
        """The visible button with an accessible name."""

        def find():
            found = self.js(
                "return [...document.querySelectorAll(arguments[0])].filter(button => button.checkVisibility()"
                " && (button.ariaLabel ?? button.textContent).trim() === arguments[1])",
                f"{within} button",
                label,
            )
            return len(found) == 1 and found[0].accessible_name == label and found[0]

        return self.wait(find)

    def click(self, label, within=""):
        self.wait(lambda: self.button(label, within).click() is None)

    def js(self, script, *arguments):
        return self.driver.execute_script(script, *arguments)

    def wait(self, condition):
        """Waits until a condition holds, and returns its value."""
        wait = WebDriverWait(self.driver, 20, 0.05, ignored_exceptions=[StaleElementReferenceException, IndexError])
        return wait.until(lambda _: condition())

    def wait_for_text(self, text, selector="body"):
        self.wait(lambda: any(text in found for found in self.texts(selector)))

    def notices(self):
        return " ".join(self.texts(".notice"))

    # Keys and pointers

    def keys(self, *keys, hold=()):
        chain = ActionChains(self.driver)
        for key in hold:
            chain.key_down(key)
        chain.send_keys(*keys)
        for key in reversed(hold):
            chain.key_up(key)
        chain.perform()
        self.settle()

    def view(self):
        """Zoom and position of the image in the window."""
        self.settle()
        values = self.js(
            "const s = document.querySelector('#stage'), r = s.getBoundingClientRect();"
            "return [s.dataset.zoom, +s.dataset.x + r.left, +s.dataset.y + r.top]"
        )
        return [float(value) for value in values]

    def to_window(self, x, y):
        """The point of the window nearest to a point of the image."""
        zoom, left, top = self.view()
        return round(left + x * zoom), round(top + y * zoom)

    def to_image(self, x, y):
        zoom, left, top = self.view()
        return (x - left) / zoom, (y - top) / zoom

    def pointer(self, kind=None):
        builder = ActionBuilder(self.driver, duration=20)
        if kind:
            builder = ActionBuilder(self.driver, mouse=PointerInput(kind, "finger"), duration=20)
        return builder, builder.pointer_action

    def drag(self, start, end, button=0, kind=None, hold=()):
        """Drags from one point of the window to another."""
        builder, pointer = self.pointer(kind)
        for key in hold:
            builder.key_action.key_down(key)
            pointer.pause(0)
        pointer.move_to_location(*start)
        pointer.pointer_down(button=button)
        pointer.move_to_location((start[0] + end[0]) // 2, (start[1] + end[1]) // 2)
        pointer.move_to_location(*end)
        pointer.pointer_up(button=button)
        builder.perform()
        if hold:
            chain = ActionChains(self.driver)
            for key in hold:
                chain.key_up(key)
            chain.perform()
        self.settle()

    def click_at(self, x, y):
        self.hover_at(x, y, clicks=True)

    def hover_at(self, x, y, clicks=False):
        builder, pointer = self.pointer()
        pointer.move_to_location(x, y)
        if clicks:
            pointer.pointer_down()
            pointer.pointer_up()
        builder.perform()
        self.settle()

    def pinch(self, first, second):
        """Two fingers move: each is (start, end) in the window."""
        inputs = []
        for name, (start, end) in (("one", first), ("two", second)):
            finger = PointerInput(POINTER_TOUCH, name)
            finger.create_pointer_move(0, *start)
            finger.create_pointer_down(button=0)
            for step in (1, 2, 3):
                finger.create_pointer_move(20, *(round(a + (b - a) * step / 3) for a, b in zip(start, end)))
            finger.create_pointer_up(0)
            inputs.append(finger.encode())
        self.driver.execute("actions", {"actions": inputs})
        self.settle()

    # Boxes, questions, answers

    def boxes(self):
        """Name -> edges, in the order of the list."""
        rows = self.js(
            "return [...document.querySelectorAll('.row')].map(row =>"
            " [...row.querySelectorAll('input')].map(input => input.value))"
        )
        return {name: [int(edge) for edge in edges] for name, *edges in rows}

    def box(self):
        """The edges of the only box."""
        boxes = list(self.boxes().values())
        self.assertEqual(len(boxes), 1)
        return boxes[0]

    def draw(self, left, top, right, bottom):
        """Draws a box by dragging; the arguments are pixels of the image."""
        self.drag(self.to_window(left, top), self.to_window(right, bottom))

    def type_edge(self, name, edge, value):
        field = self.one(f"input[aria-label='{edge} of {name}, pixels']")
        field.send_keys(Keys.CONTROL, "a")
        field.send_keys(str(value), Keys.ENTER)
        self.settle()

    def set_box(self, edges, name=None):
        """Makes a box with exact edges, by its fields."""
        self.click("New box around the whole image")
        made = list(self.boxes())[-1]
        for edge, value in zip(("left", "top", "right", "bottom"), edges):
            self.type_edge(made, edge, value)
        if name:
            self.rename(made, name)
        return name or made

    def rename(self, old, new):
        field = next(field for field in self.css(".row .name") if field.get_attribute("value") == old)
        field.send_keys(Keys.CONTROL, "a")
        field.send_keys(new, Keys.ENTER)
        self.settle()

    def write(self, text):
        self.one("#question").send_keys(text)
        self.settle()

    def ask(self, text):
        """Asks, and waits for the end of the answer."""
        count = len(self.css(".message.answer:not(.growing)"))
        self.write(text + Keys.ENTER)
        self.wait(lambda: len(self.css(".message.answer:not(.growing)")) == count + 1)
        self.settle()

    def last_request(self):
        return self.mock.requests[-1]["body"]

    def clipboard(self):
        origin = self.url.rstrip("/")
        permissions = ["clipboardReadWrite", "clipboardSanitizedWrite"]
        self.driver.execute_cdp_cmd("Browser.grantPermissions", {"origin": origin, "permissions": permissions})
        return self.driver.execute_async_script(
            "const done = arguments[0]; navigator.clipboard.readText().then(done, error => done(String(error)))"
        )

    def screen(self):
        return Image.open(io.BytesIO(base64.b64decode(self.driver.get_screenshot_as_base64()))).convert("RGB")

    def download(self, suffix):
        """The file that the browser has just saved."""
        folder = pathlib.Path(DOWNLOADS.name)
        path = self.wait(lambda: next(iter(folder.glob(f"*{suffix}")), None))
        self.wait(lambda: not list(folder.glob("*.crdownload")) and path.stat().st_size)
        text = path.read_text(encoding="utf-8")
        path.unlink()
        return text
