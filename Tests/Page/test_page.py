"""Tests of the page that `pvit serve` offers, in Chromium.

    python3 -m unittest discover Tests/Page

They need selenium and Pillow, and Debian's chromium and chromium-driver. With PVIT_PAGE_URL=http://host:port/, only a
short run against this server is made.
"""

import base64
import contextlib
import json
import pathlib
import re
import shlex
import subprocess
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from browser import DOWNLOADS, PHOTO, PHOTO_SIZE, PageTest, save_picture
from mock_server import PAGE, content_security_policy, error
from PIL import Image
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.actions.wheel_input import ScrollOrigin
from selenium.webdriver.common.keys import Keys

CORNERS = {"nw": (0, 1), "n": (1,), "ne": (2, 1), "w": (0,), "e": (2,), "sw": (0, 3), "s": (3,), "se": (2, 3)}


class File(unittest.TestCase):
    """The file that the server embeds."""

    page = PAGE.read_text(encoding="utf-8")

    def test_the_page_has_at_most_100_kilobytes(self):
        self.assertLessEqual(len(self.page.encode()), 100_000)

    def test_there_is_one_style_and_one_script_and_nothing_from_elsewhere(self):
        self.assertEqual((self.page.count("<style"), self.page.count("<script")), (1, 1))
        self.assertNotRegex(self.page, r'\s(style|on\w+)="')
        self.assertNotRegex(self.page, r"\b(eval|innerHTML|outerHTML|insertAdjacentHTML|document\.write)\b")
        links = set(re.findall(r"https?://[^\s'\"`)]+", self.page))
        self.assertLessEqual(links, {"http://www.w3.org/2000/svg"})
        self.assertIn("sha256-", content_security_policy(self.page))


class Smoke(PageTest):
    """Works with a real server, too."""

    needs_mock = False

    def test_a_question_is_answered(self):
        self.load()
        prompt = "What is in the picture?"
        if not self.js("return document.body.classList.contains('text-only')"):
            self.pick(PHOTO)
        if not self.js("return document.body.matches('.text-only, .no-regions')"):
            self.set_box([282, 91, 343, 309])
            prompt = "Who is in @box1 ?"
        self.driver.implicitly_wait(0)
        self.click("Parameters")
        self.one("#parameter-max_tokens").send_keys("8")
        self.click("Done")
        self.ask(prompt)
        self.wait_for_text("first token", ".stats")
        self.assertEqual(self.css(".failure"), [])


class Images(PageTest):
    def test_a_picture_can_be_picked_dropped_and_pasted(self):
        self.load()
        send = """
            const [kind, text, name, type] = arguments;
            const bytes = Uint8Array.from(atob(text), c => c.charCodeAt(0));
            const data = new DataTransfer();
            data.items.add(new File([bytes], name, { type }));
            const event = kind === "paste" ? new ClipboardEvent("paste", { clipboardData: data, bubbles: true })
                : new DragEvent("drop", { dataTransfer: data, bubbles: true, cancelable: true });
            document.querySelector("#stage").dispatchEvent(event);"""
        text = base64.b64encode(PHOTO.read_bytes()).decode()
        for kind in ("drop", "paste"):
            self.load()
            self.js(send, kind, text, "photo.jpg", "image/jpeg")
            self.wait(lambda: "600 × 346" in self.label())
        self.load(PHOTO)
        self.assertIn("0001.jpg, 600 × 346", self.label())

    def label(self):
        return self.one("#stage").get_attribute("aria-label")

    def test_png_and_webp_are_shown(self):
        for name in ("a.png", "a.webp"):
            self.load(save_picture(name, (300, 200)))
            self.assertIn("300 × 200", self.label())

    def test_other_files_are_refused_where_they_are_dropped(self):
        path = pathlib.Path(DOWNLOADS.name) / "notes.jpg"
        path.write_text("no picture")
        self.load()
        self.one("#file").send_keys(str(path))
        self.wait_for_text("notes.jpg is not a JPEG, PNG or WebP image", "#image-problem")
        damaged = pathlib.Path(DOWNLOADS.name) / "damaged.jpg"
        damaged.write_bytes(PHOTO.read_bytes()[:300])
        self.one("#file").send_keys(str(damaged))
        self.wait_for_text("damaged.jpg is damaged", "#image-problem")

    def test_an_exif_orientation_is_announced_and_ignored(self):
        for suffix in ("jpg", "png", "webp"):
            for orientation in (6, 3, 1):
                with self.subTest(suffix, orientation=orientation):
                    exif = Image.Exif()
                    exif[0x0112] = orientation
                    options = {"lossless": True} if suffix == "webp" else {}
                    path = save_picture(
                        f"turned{orientation}.{suffix}", (90, 60), [(2, 3)], exif=exif.tobytes(), **options
                    )
                    self.load(path)
                    self.assertIn("90 × 60", self.label())
                    note = self.one("#image-note").text
                    self.assertEqual(f"EXIF orientation {orientation}" in note, orientation != 1)
                    # The red mark is still at the upper left.
                    red, green, _ = self.screen().getpixel(self.to_window(6, 7))
                    self.assertTrue(red > 180 and green < 90, (red, green))

    def test_the_image_is_sent_as_it_is_in_the_file(self):
        exif = Image.Exif()
        exif[0x0112] = 6
        path = save_picture("turned6.jpg", (90, 60), [(2, 3)], exif=exif.tobytes())
        self.load(path)
        self.ask("What is it?")
        url = self.last_request()["messages"][0]["content"][0]["image_url"]["url"]
        self.assertEqual(base64.b64decode(url.split(",")[1]), path.read_bytes())

    def test_another_picture_begins_another_conversation(self):
        self.load(PHOTO)
        self.ask("What is it?")
        self.pick(save_picture("a.png", (300, 200)))
        self.wait(lambda: "begins a new conversation" in self.notices())
        self.assertEqual(self.css(".message"), [])
        self.ask("And this?")
        self.assertEqual(len(self.last_request()["messages"]), 1)


class Boxes(PageTest):
    def setUp(self):
        super().setUp()
        self.load(PHOTO)

    def assert_near(self, actual, expected, tolerance=1):
        self.assertTrue(
            all(abs(a - b) <= tolerance for a, b in zip(actual, expected)), f"{actual} is not near {expected}"
        )

    def test_a_drag_draws_a_box_with_its_own_name_and_colour(self):
        self.draw(60, 40, 200, 180)
        self.draw(300, 100, 420, 300)
        boxes = self.boxes()
        self.assertEqual(list(boxes), ["box1", "box2"])
        self.assert_near(boxes["box1"], [60, 40, 200, 180])
        self.assert_near(boxes["box2"], [300, 100, 420, 300])
        colours = {box.value_of_css_property("border-top-color") for box in self.css(".box")}
        self.assertEqual(len(colours), 2)

    def test_a_box_stays_inside_the_image(self):
        self.drag(self.to_window(500, 300), self.to_window(610, 360))
        self.assertEqual(self.box()[2:], list(PHOTO_SIZE))
        self.one(".box").send_keys(Keys.SHIFT + Keys.ARROW_RIGHT)
        self.assertEqual(self.box()[2], PHOTO_SIZE[0])

    def test_a_box_is_moved_by_dragging_and_keeps_its_size(self):
        self.set_box([100, 100, 200, 200])
        self.drag(self.to_window(150, 150), self.to_window(230, 190))
        left, top, right, bottom = self.box()
        self.assert_near([left, top], [180, 140])
        self.assertEqual((right - left, bottom - top), (100, 100))

    def test_each_of_the_eight_handles_moves_its_edges(self):
        for handle, moved in CORNERS.items():
            with self.subTest(handle):
                self.load(PHOTO)
                edges = [200, 100, 400, 250]
                self.set_box(edges)
                x = {"w": edges[0], "e": edges[2]}.get(handle[-1], 300)
                y = {"n": edges[1], "s": edges[3]}.get(handle[0], 175)
                self.drag(self.to_window(x, y), self.to_window(x + 20, y + 15))
                expected = [edge + (20, 15)[i % 2] * (i in moved) for i, edge in enumerate(edges)]
                self.assert_near(self.box(), expected)

    def test_an_edge_stops_before_the_opposite_one(self):
        self.set_box([200, 100, 400, 250])
        self.drag(self.to_window(200, 100), self.to_window(500, 300))
        self.assertEqual(self.box(), [399, 249, 400, 250])

    def test_fields_take_exact_pixels_and_say_what_is_wrong(self):
        self.set_box([1, 2, 300, 345])
        self.assertEqual(self.box(), [1, 2, 300, 345])
        self.type_edge("box1", "left", 300)
        self.wait_for_text("left is a whole number from 0 to 299", ".row .problem")
        self.type_edge("box1", "left", 299)
        self.assertEqual(self.box(), [299, 2, 300, 345])
        self.assertEqual(self.visible(".row .problem"), [])

    def test_names_are_checked(self):
        self.set_box([0, 0, 90, 90], "left")
        self.set_box([90, 0, 190, 90], "right-2_ä")
        self.rename("left", "two words")
        self.wait_for_text("letters, digits, _ and - only", ".row .problem")
        self.rename("two words", "right-2_ä")
        self.wait_for_text("Another box is called right-2_ä", ".row .problem")
        self.rename("right-2_ä", "left")
        self.assertEqual(list(self.boxes()), ["left", "right-2_ä"])
        self.assertEqual(self.visible(".row .problem"), [])

    def test_repeated_clicks_and_a_key_cycle_through_overlapping_boxes(self):
        names = [self.set_box([100 + i, 60 + i, 300 + i, 260 + i]) for i in range(3)]
        seen = []
        point = self.to_window(200, 160)
        for _ in range(4):
            self.click_at(*point)
            seen.append(self.selected())
        self.assertEqual(set(seen[:3]), set(names))
        self.assertEqual(seen[0], seen[3])
        self.set_box([500, 10, 520, 30], "alone")
        self.click_at(*point)
        seen = []
        for _ in range(4):
            self.keys("n")
            seen.append(self.selected())
        self.assertEqual(set(seen[:3]), set(names))
        self.assertEqual(seen[0], seen[3])

    def selected(self):
        return self.one(".row.selected .name").get_attribute("value")

    def test_boxes_are_duplicated_deleted_and_extended(self):
        self.set_box([10, 10, 60, 60], "ball")
        self.click("Duplicate ball")
        self.assertEqual(list(self.boxes()), ["ball", "ball1"])
        self.assertEqual(self.boxes()["ball1"], [17, 17, 67, 67])
        self.click("Extend ball1 to the whole image")
        self.assertEqual(self.boxes()["ball1"], [0, 0, *PHOTO_SIZE])
        self.click("Delete ball")
        self.assertEqual(list(self.boxes()), ["ball1"])
        self.keys("d", hold=[Keys.CONTROL])
        self.keys(Keys.DELETE)
        self.assertEqual(list(self.boxes()), ["ball1"])

    def test_undo_and_redo(self):
        self.draw(60, 40, 200, 180)
        drawn = self.box()
        self.drag(self.to_window(100, 100), self.to_window(200, 150))
        moved = self.box()
        self.rename("box1", "dog")
        self.keys(Keys.ESCAPE)
        self.one("#stage").send_keys("")
        self.click("Delete dog")
        self.assertEqual(self.boxes(), {})
        undo = lambda: self.keys("z", hold=[Keys.CONTROL])
        redo = lambda: self.keys("z", hold=[Keys.CONTROL, Keys.SHIFT])
        undo()
        self.assertEqual(self.boxes(), {"dog": moved})
        undo()
        self.assertEqual(self.boxes(), {"box1": moved})
        undo()
        self.assertEqual(self.boxes(), {"box1": drawn})
        undo()
        self.assertEqual(self.boxes(), {})
        self.assertFalse(self.button("Undo").is_enabled())
        for _ in range(4):
            redo()
        self.assertEqual(self.boxes(), {})
        self.click("Undo")
        self.assertEqual(self.boxes(), {"dog": moved})
        self.click("Redo")
        self.assertEqual(self.boxes(), {})

    def test_undo_in_a_text_belongs_to_the_text(self):
        self.draw(60, 40, 200, 180)
        self.write("ab")
        self.keys("z", hold=[Keys.CONTROL])
        self.assertEqual(len(self.boxes()), 1)
        self.assertNotEqual(self.one("#question").get_attribute("value"), "ab")

    def test_arrow_keys_move_and_resize(self):
        self.set_box([100, 100, 200, 200])
        self.one(".box").send_keys("")
        steps = [
            ([Keys.ARROW_RIGHT], [], [101, 100, 201, 200]),
            ([Keys.ARROW_DOWN], [Keys.SHIFT], [101, 110, 201, 210]),
            ([Keys.ARROW_LEFT], [Keys.SHIFT], [91, 110, 191, 210]),
            ([Keys.ARROW_UP], [], [91, 109, 191, 209]),
            ([Keys.ARROW_RIGHT], [Keys.ALT], [91, 109, 192, 209]),
            ([Keys.ARROW_UP], [Keys.ALT, Keys.SHIFT], [91, 109, 192, 199]),
        ]
        self.js("document.querySelector('.box').focus()")
        for keys, hold, expected in steps:
            self.keys(*keys, hold=hold)
            self.assertEqual(self.box(), expected)

    def test_two_clicks_make_a_box(self):
        self.click("Draw boxes by clicking two corners")
        self.click_at(*self.to_window(300, 200))
        self.assertEqual(len(self.css(".corner")), 1)
        self.click_at(*self.to_window(100, 50))
        self.assert_near(self.box(), [100, 50, 300, 200])

    def test_shift_draws_inside_the_selected_box_and_move_does_not_draw(self):
        self.click("New box around the whole image")
        self.drag(self.to_window(200, 100), self.to_window(300, 200), hold=[Keys.SHIFT])
        self.assertEqual(len(self.boxes()), 2)
        self.keys(Keys.ESCAPE)
        self.click("Move boxes and the view")
        before = self.boxes()
        self.drag(self.to_window(250, 150), self.to_window(280, 150))
        after = self.boxes()
        self.assertEqual(after["box1"], before["box1"])
        self.assert_near(after["box2"], [edge + 30 * (i % 2 == 0) for i, edge in enumerate(before["box2"])])

    def test_fingers_draw_pan_and_zoom(self):
        self.drag(self.to_window(60, 60), self.to_window(200, 180), kind="touch")
        self.assert_near(self.box(), [60, 60, 200, 180])
        zoom, x, y = self.view()
        centre = self.to_window(300, 170)
        self.pinch(
            ((centre[0] - 50, centre[1]), (centre[0] - 100, centre[1])),
            ((centre[0] + 50, centre[1]), (centre[0] + 100, centre[1])),
        )
        self.assertAlmostEqual(self.view()[0] / zoom, 2, delta=0.05)
        self.assert_near(self.to_image(*centre), (300, 170), 2)
        self.assertEqual(len(self.boxes()), 1)
        zoom, x, y = self.view()
        self.pinch(
            ((centre[0] - 50, centre[1]), (centre[0] - 20, centre[1] + 40)),
            ((centre[0] + 50, centre[1]), (centre[0] + 80, centre[1] + 40)),
        )
        self.assert_near(self.view(), [zoom, x + 30, y + 40], 2)
        self.assertEqual(len(self.boxes()), 1)

    def test_wheel_buttons_and_keys_zoom(self):
        zoom, _, _ = self.view()
        point = self.to_window(100, 100)
        chain = ActionChains(self.driver).key_down(Keys.CONTROL)
        chain.scroll_from_origin(ScrollOrigin.from_viewport(*point), 0, -150).key_up(Keys.CONTROL).perform()
        self.assertGreater(self.view()[0], zoom * 1.4)
        self.assert_near(self.to_image(*point), (100, 100), 1)
        before = self.view()
        ActionChains(self.driver).scroll_from_origin(ScrollOrigin.from_viewport(*point), 30, 50).perform()
        self.assert_near(self.view(), [before[0], before[1] - 30, before[2] - 50], 0.01)
        self.click("1:1, one image pixel for one screen pixel")
        self.assertEqual(self.view()[0], 1)
        self.click("Zoom in")
        self.assertAlmostEqual(self.view()[0], 1.25)
        self.click("Zoom out")
        self.assertAlmostEqual(self.view()[0], 1)
        self.click("Fit the image into the view")
        self.assertAlmostEqual(self.view()[0], zoom)
        self.js("document.querySelector('#stage').focus()")
        self.keys("+")
        self.assertAlmostEqual(self.view()[0], zoom * 1.25)
        self.keys("-")
        self.keys("1")
        self.assertEqual(self.view()[0], 1)
        self.keys("0")
        self.assertAlmostEqual(self.view()[0], zoom)

    def test_space_the_middle_button_the_tool_and_arrows_pan(self):
        start, end = self.to_window(200, 100), self.to_window(260, 140)
        shift = (end[0] - start[0], end[1] - start[1])
        self.js("document.querySelector('#stage').focus()")
        for options in ({"hold": [" "]}, {"button": 1}):
            zoom, x, y = self.view()
            self.drag(start, end, **options)
            self.assert_near(self.view(), [zoom, x + shift[0], y + shift[1]], 0.01)
        self.click("Move boxes and the view")
        zoom, x, y = self.view()
        self.drag(end, start)
        self.assert_near(self.view(), [zoom, x - shift[0], y - shift[1]], 0.01)
        self.js("document.querySelector('#stage').focus()")
        self.keys(Keys.ARROW_RIGHT)
        self.assert_near(self.view(), [zoom, x - shift[0] - 40, y - shift[1]], 0.01)
        self.assertEqual(self.boxes(), {})

    def test_pixels_are_exact_in_a_large_image(self):
        """Marks are found on the screen, independent of what the page says about its view."""
        marks = [(1000, 900), (4000, 3000), (6500, 5100)]
        large = save_picture("large.png", (8000, 6000), marks, compress_level=1)
        self.load(large)
        # At the first zoom, a pixel of the screen is 11 pixels of the image: the nearest one is stored.
        start, end = self.to_window(1000, 900), self.to_window(6500, 5100)
        self.drag(start, end)
        self.assert_near(self.box(), [*self.to_image(*start), *self.to_image(*end)], 1)
        self.click("Delete box1")
        for zooms, mark in ((0, marks[1]), (3, marks[1]), (9, marks[1]), (-2, marks[1]), (2, marks[0]), (5, marks[2])):
            with self.subTest(zooms=zooms, mark=mark):
                self.click("1:1, one image pixel for one screen pixel")
                self.bring(mark)
                for _ in range(abs(zooms)):
                    self.click("Zoom in" if zooms > 0 else "Zoom out")
                    self.bring(mark)
                zoom, _, _ = self.view()
                left, top, right, bottom = self.red_area()
                self.drag((left, top), (right, bottom), hold=[Keys.SHIFT])
                edges = list(self.boxes().values())[-1]
                self.assert_near(edges, [mark[0], mark[1], mark[0] + 9, mark[1] + 9], max(1, 0.5 / zoom + 0.5))
                self.click(f"Delete {list(self.boxes())[-1]}")

    def bring(self, mark):
        """Pans with the wheel until a point of the image is near the middle of the stage."""
        rect = self.one("#stage").rect
        middle = (rect["x"] + rect["width"] / 2, rect["y"] + rect["height"] / 2)
        zoom, left, top = self.view()
        self.js(
            "document.querySelector('#stage').dispatchEvent(new WheelEvent('wheel',"
            " { deltaX: arguments[0], deltaY: arguments[1], bubbles: true, cancelable: true }))",
            left + mark[0] * zoom - middle[0] + 0.3,
            top + mark[1] * zoom - middle[1] + 0.4,
        )
        self.settle()

    def red_area(self):
        """The rectangle of red pixels on the screen: left, top, and right, bottom of the next pixels."""
        rect = self.one("#stage").rect
        picture = self.screen().crop((rect["x"], rect["y"], rect["x"] + rect["width"], rect["y"] + rect["height"]))
        red = [
            (i % picture.width, i // picture.width)
            for i, (r, g, b) in enumerate(picture.get_flattened_data())
            if r > 200 and g < 128 and b < 128
        ]
        xs, ys = [x for x, _ in red], [y for _, y in red]
        x, y = round(rect["x"]), round(rect["y"])
        return min(xs) + x, min(ys) + y, max(xs) + 1 + x, max(ys) + 1 + y

    def test_everything_can_be_done_with_the_keyboard(self):
        self.load()
        self.one("#file").send_keys(str(PHOTO))
        self.wait(lambda: self.js("return document.activeElement.id") == "stage")
        self.settle()
        self.keys("b")
        self.assertEqual(self.box(), [200, 115, 400, 231])
        self.keys(Keys.ARROW_RIGHT, Keys.ARROW_RIGHT)
        self.keys(Keys.ARROW_DOWN, hold=[Keys.ALT])
        self.assertEqual(self.box(), [202, 115, 402, 232])
        self.keys("e")
        self.assertEqual(self.js("return document.activeElement.id"), "question")
        self.keys("is who?", Keys.ENTER)
        self.wait(lambda: self.css(".message.answer:not(.growing)"))
        self.assertEqual(self.last_request()["messages"][0]["content"][-1]["text"], "{box1} is who?")


class Questions(PageTest):
    def setUp(self):
        super().setUp()
        self.load(PHOTO)

    def text(self):
        return self.one("#question").get_attribute("value")

    def test_a_mention_becomes_a_chip_and_a_region_part(self):
        self.set_box([19, 121, 122, 331], "left")
        self.set_box([282, 91, 343, 309], "middle")
        self.write("Mail me@left.org: is @middle- faster than {left}?")
        self.assertEqual(
            [chip.get_attribute("textContent") for chip in self.css("#chips .chip")], ["@middle", "{left}"]
        )
        self.assertEqual(self.texts("#mentions .chip"), ["@middle", "@left"])
        self.ask("")
        content = self.last_request()["messages"][0]["content"]
        self.assertEqual([part["type"] for part in content], ["image_url", "region", "region", "text"])
        self.assertEqual(content[1], {"type": "region", "name": "left", "box": [19, 121, 122, 331]})
        self.assertEqual(content[3]["text"], "Mail me@left.org: is {middle}- faster than {left}?")

    def test_only_boxes_that_are_mentioned_are_sent(self):
        self.set_box([19, 121, 122, 331], "left")
        self.ask("What is it?")
        self.assertEqual(
            [part["type"] for part in self.last_request()["messages"][0]["content"]], ["image_url", "text"]
        )

    def test_boxes_light_their_chips_and_chips_their_boxes(self):
        self.set_box([19, 121, 122, 331], "left")
        self.set_box([282, 91, 343, 309], "middle")
        self.write("Is @left ahead?")
        self.wait(lambda: self.css("#chips .chip"))
        # The caret in a mention, the pointer over it, and the focus on its button light the box.
        self.keys(*[Keys.ARROW_LEFT] * 8)
        self.wait(lambda: self.lit() == ["left"])
        self.keys(Keys.END)
        self.wait(lambda: self.lit() == [])
        rect = self.one("#chips .chip").rect
        self.hover_at(round(rect["x"] + 10), round(rect["y"] + 8))
        self.wait(lambda: self.lit() == ["left"])
        self.hover_at(900, 300)
        self.wait(lambda: self.lit() == [])
        self.js("document.querySelector('#mentions .chip').focus()")
        self.wait(lambda: self.lit() == ["left"])
        self.js("document.querySelector('#question').focus()")
        # A box under the pointer, or selected, lights its chips.
        self.assertEqual(self.css("#chips .chip.lit"), [])
        self.hover_at(*self.to_window(60, 200))
        self.wait(lambda: self.css("#chips .chip.lit"))
        self.hover_at(900, 300)
        self.wait(lambda: not self.css("#chips .chip.lit"))
        self.click_at(*self.to_window(60, 200))
        self.hover_at(900, 300)
        self.wait(lambda: self.css("#chips .chip.lit"))

    def lit(self):
        return self.js("return [...document.querySelectorAll('.box.lit')].map(b => b.dataset.name)")

    def test_typing_an_at_sign_offers_the_boxes(self):
        for name in ("left", "line", "right"):
            self.set_box([19, 121, 122, 331], name)
        self.write("Is @")
        self.assertEqual(len(self.visible("#choices [role=option]")), 3)
        field = self.one("#question")
        active = lambda: self.one("#" + field.get_attribute("aria-activedescendant")).text.split()[0]
        self.assertEqual(active(), "left")
        self.write("L")
        self.assertEqual(len(self.visible("#choices [role=option]")), 2)
        self.keys(Keys.ARROW_DOWN)
        self.assertEqual(active(), "line")
        self.keys(Keys.ARROW_DOWN)
        self.assertEqual(active(), "left")
        self.keys(Keys.ARROW_UP, Keys.ENTER)
        self.assertEqual(self.text(), "Is @line ")
        self.assertEqual(self.visible("#choices"), [])
        self.write("or @")
        self.keys(Keys.ESCAPE)
        self.assertEqual(self.visible("#choices"), [])
        self.keys("r", Keys.TAB)
        self.assertEqual(self.text(), "Is @line or @right ")
        self.write("or @")
        self.visible("#choices [role=option]")[0].click()
        self.assertEqual(self.text(), "Is @line or @right or @left ")
        # The browser's undo knows what was inserted.
        self.keys("z", hold=[Keys.CONTROL])
        self.assertEqual(self.text(), "Is @line or @right or @")

    def test_a_button_on_the_box_and_one_in_the_list_insert_its_chip(self):
        self.set_box([60, 121, 222, 331], "left")
        self.write("Is")
        self.one(".box .tag button").click()
        self.assertEqual(self.text(), "Is @left ")
        self.write("as fast as ")
        self.click("Write @left into the question", ".row")
        self.assertEqual(self.text(), "Is @left as fast as @left ")

    def test_unusual_names_are_sent(self):
        for name in ("__proto__", "-a", "größe_1"):
            self.set_box([60, 121, 222, 331], name)
        self.ask("{__proto__} @-a @größe_1")
        content = self.last_request()["messages"][0]["content"]
        self.assertEqual([part["name"] for part in content[1:4]], ["__proto__", "-a", "größe_1"])
        self.assertEqual(content[4]["text"], "{__proto__} {-a} {größe_1}")

    def test_renaming_a_box_renames_its_mentions(self):
        self.set_box([60, 121, 222, 331], "left")
        self.write("Is @left or {left} ahead?")
        self.rename("left", "a")
        self.assertEqual(self.text(), "Is @a or {a} ahead?")
        self.js("document.querySelector('#stage').focus()")
        self.keys("z", hold=[Keys.CONTROL])
        self.assertEqual(self.text(), "Is @left or {left} ahead?")

    def test_a_box_that_was_changed_keeps_its_meaning_in_earlier_questions(self):
        self.set_box([60, 121, 222, 331], "left")
        self.ask("Who is @left?")
        self.type_edge("left", "left", 10)
        self.ask("And @left now?")
        first, _, second = self.last_request()["messages"]
        self.assertEqual(first["content"][1], {"type": "region", "name": "left-1", "box": [60, 121, 222, 331]})
        self.assertEqual(first["content"][2]["text"], "Who is {left-1}?")
        self.assertEqual(second["content"][0], {"type": "region", "name": "left", "box": [10, 121, 222, 331]})
        self.ask("And @left again?")
        self.assertEqual(self.last_request()["messages"][4]["content"], "And {left} again?")
        # The chip of the first question tells where the box was.
        old, new, _ = self.css(".message.question .chip")
        self.assertEqual(old.get_attribute("title"), "left 60, top 121, right 222, bottom 331; changed since")
        self.assertIsNone(old.get_attribute("data-name"))
        self.assertEqual(new.get_attribute("data-name"), "left")

    def test_enter_while_composing_does_not_send(self):
        self.write("か")
        self.js(
            "document.querySelector('#question').dispatchEvent(new KeyboardEvent('keydown',"
            " { key: 'Enter', isComposing: true, bubbles: true, cancelable: true }))"
        )
        self.write(Keys.SHIFT + Keys.ENTER)
        self.assertEqual(self.mock.requests, [])
        self.assertIn("\n", self.text())

    def test_an_empty_question_is_not_sent(self):
        self.click("Send")
        self.wait_for_text("Write a question first", "#question-problem")


class Answers(PageTest):
    def test_text_boxes_and_numbers_of_an_answer(self):
        self.mock.tiny_writes = True
        self.mock.answer = (
            "Größe: 日本 🏊 is **bold**, `code <b>`.\n\n1. one\n2. two\n\n```\n<script>x\n```\n" + self.mock.answer
        )
        self.load(PHOTO)
        self.ask("Who?")
        said = self.one(".message.answer .said")
        self.assertIn("Größe: 日本 🏊 is bold", said.text)
        for selector, text in {
            "strong": "bold",
            "code": "code <b>",
            "ol li": "one",
            "pre": "<script>x",
            "ul li": "The",
        }.items():
            self.assertIn(text, self.css(f".said {selector}")[0].text)
        stats = self.one(".stats").text
        for text in ("first token", "15.5 tokens/s", "prompt 307, 35 cached"):
            self.assertIn(text, stats)
        self.assertEqual(self.texts(".answer-box"), ["box 1", "box 2"])
        self.assertEqual(len(self.css(".box.named")), 2)
        self.assertEqual(self.css(".box.named")[0].value_of_css_property("border-top-style"), "dashed")
        # Text and box light each other.
        self.js("document.querySelectorAll('.answer-box')[1].focus()")
        self.wait(lambda: "lit" in self.css(".box.named")[1].get_attribute("class"))
        self.assertNotIn("lit", self.css(".box.named")[0].get_attribute("class"))
        ActionChains(self.driver).move_to_element(self.css(".box.named .tag button")[0]).perform()
        self.wait(lambda: "lit" in self.css(".answer-box")[0].get_attribute("class"))
        # Thousandths and fractions become pixels; each can be kept from the text and from the image.
        self.click("Keep box 1")
        self.click("Keep box 2")
        self.settle()
        self.assertEqual(list(self.boxes().values()), [[282, 91, 343, 309], [19, 121, 122, 331]])

    def test_a_stream_may_be_cut_anywhere(self):
        self.load()
        stream = ': ping\r\n\r\ndata: {"a": "ä日🏊"}\r\n\r\ndata:1\ndata: 2\n\nevent: x\rdata: 3\r\rdata: [DONE]\n\n'
        for size in (1, 2, 3, 1000):
            events = self.js(
                "const bytes = new TextEncoder().encode(arguments[0]), size = arguments[1], parse = eventParser();"
                "return Array.from({ length: Math.ceil(bytes.length / size) },"
                " (_, i) => parse(bytes.subarray(i * size, (i + 1) * size))).flat()",
                stream,
                size,
            )
            self.assertEqual(events, ['{"a": "ä日🏊"}', "1\n2", "3", "[DONE]"], size)

    def test_other_brackets_are_text(self):
        self.mock.answer = "[1, 2, 3, 4] and [0.5, 0.1, 0.2, 0.9] and [0.1, 0.2] and <Region><L1></Region>."
        self.load(PHOTO)
        self.ask("Who?")
        self.assertEqual(self.css(".answer-box"), [])
        self.assertIn(self.mock.answer, self.one(".message.answer .said").text)

    def test_a_box_that_is_not_complete_yet_is_not_shown_as_text(self):
        self.mock.chunks = ["It is <Reg", "ion><L100><L250>", "<L900><L975></Region> there"]
        gate = self.mock.gate(3)
        self.load(PHOTO)
        self.write("Who?" + Keys.ENTER)
        self.wait_for_text("It is", ".growing .said")
        self.assertNotIn("<", self.one(".growing .said").text)
        gate.set()
        self.wait(lambda: self.css(".message.answer:not(.growing) .answer-box"))

    def test_progress_is_shown_while_the_model_reads(self):
        queued, image, tokens = (self.mock.gate(place) for place in (("progress", 1), ("progress", 2), 0))
        self.mock.progress = [
            {"phase": "queued", "processed": 0, "total": 307, "cached": 0},
            {"phase": "image", "processed": 0, "total": 307, "cached": 0},
            {"phase": "tokens", "processed": 128, "total": 307, "cached": 35},
        ]
        self.load(PHOTO)
        self.write("Who?" + Keys.ENTER)
        self.wait_for_text("Waiting for other answers", ".growing")
        queued.set()
        self.wait_for_text("Looking at the image", ".growing")
        image.set()
        self.wait_for_text("Reading the prompt: 128 of 307 tokens, 35 cached", ".growing")
        self.assertAlmostEqual(float(self.one(".growing progress").get_attribute("value")), 128 / 307)
        tokens.set()
        self.wait(lambda: self.css(".message.answer:not(.growing)"))
        self.assertTrue(self.last_request()["return_progress"])
        self.assertTrue(self.last_request()["stream_options"]["include_usage"])

    def begin_answer(self):
        """Asks a question whose answer stops growing after its first words."""
        self.mock.gate(4)
        self.load(PHOTO)
        self.write("Who?" + Keys.ENTER)
        self.wait_for_text("The swimmer in", ".growing .said")

    def test_stop_closes_the_connection_and_keeps_the_text(self):
        self.begin_answer()
        self.click("Stop")
        self.wait(lambda: self.mock.requests[0]["closed"])
        self.wait_for_text("Stopped.", ".message.answer")
        self.mock.gates.clear()
        self.ask("And then?")
        roles = [message["role"] for message in self.last_request()["messages"]]
        self.assertEqual(roles, ["user", "assistant", "user"])
        self.assertEqual(self.last_request()["messages"][1]["content"], "The swimmer in")
        self.assertEqual(self.js("return document.activeElement.id"), "question")

    def test_stop_before_the_answer_leaves_the_question(self):
        self.mock.gate(0)
        self.load(PHOTO)
        self.write("Who?" + Keys.ENTER)
        self.wait(lambda: self.mock.requests)
        self.keys(Keys.ESCAPE)
        self.wait_for_text("Stopped before the answer began", ".failure")
        self.wait(lambda: self.mock.requests[0]["closed"])
        self.click("Edit the question")
        self.assertEqual(self.one("#question").get_attribute("value"), "Who?")
        self.assertEqual(self.css(".message"), [])

    def test_another_conversation_stops_the_answer(self):
        self.begin_answer()
        self.click("New conversation")
        self.wait(lambda: self.mock.requests[0]["closed"])
        self.wait(lambda: self.visible("#send") and not self.visible("#stop"))
        self.assertEqual(self.css(".message"), [])
        self.mock.gates.clear()
        self.ask("What?")
        self.click("Conversations")
        self.wait(lambda: len(self.css("#saved li")) == 2)
        self.css("#saved .open")[1].click()
        self.wait_for_text("Stopped.", ".message.answer")

    def test_regenerate_asks_the_same_question_again(self):
        self.load(PHOTO)
        self.ask("Who?")
        first = self.last_request()
        self.mock.answer = "Somebody else."
        self.click("Regenerate")
        self.wait_for_text("Somebody else", ".message.answer:not(.growing)")
        self.assertEqual(self.last_request(), first)
        self.assertEqual(len(self.css(".message")), 2)

    def test_the_finished_answer_is_announced_and_not_each_token(self):
        self.load(PHOTO)
        self.js(
            "window.said = []; new MutationObserver(() => said.push(document.querySelector('#live').textContent))"
            ".observe(document.querySelector('#live'), { childList: true })"
        )
        self.ask("Who?")
        said = self.wait(lambda: [text for text in self.js("return said") if text.startswith("Answer: ")])
        self.assertIn("The swimmer in the middle is ahead: box 1 is", said[0])
        self.assertLess(len(self.js("return said")), 8)

    def test_an_answer_of_the_maximum_length_says_so(self):
        self.mock.finish = "length"
        self.load(PHOTO)
        self.ask("Who?")
        self.wait_for_text("ended at its maximum length", ".message.answer")


class Errors(PageTest):
    def fail(self, status, body, **headers):
        self.mock.failures.append((status, body, headers))

    def test_a_bad_request_is_explained_at_the_question_and_at_the_box(self):
        self.load(PHOTO)
        self.set_box([1, 1, 20, 20], "left")
        self.fail(400, error("the region is too thin", param="messages[0].content[1]", code="prompt.region"))
        self.write("What is @left ?" + Keys.ENTER)
        self.wait_for_text("the region is too thin", ".failure")
        self.assertIn("prompt.region", self.one(".failure code").text)
        self.assertIn("the region is too thin", self.one(".row").text)
        self.click("Try again")
        self.wait(lambda: self.css(".message.answer:not(.growing)"))
        self.assertEqual(self.visible(".failure, .row .problem"), [])

    def test_a_bad_parameter_is_marked(self):
        self.load(PHOTO)
        self.fail(400, error("the seed is too large", param="seed"))
        self.write("Who?" + Keys.ENTER)
        self.wait_for_text("the seed is too large", ".failure")
        self.click("Parameters")
        self.assertIn("the seed is too large", self.one("#parameter-seed-problem").text)

    def test_an_upload_that_is_too_large_is_said_at_the_image(self):
        self.load(PHOTO)
        self.fail(413, error("too large"))
        self.write("Who?" + Keys.ENTER)
        self.wait_for_text("too large for the server", "#image-problem")
        self.wait_for_text("too large for the server", ".failure")

    def test_a_busy_server_is_asked_again_after_a_countdown(self):
        self.load(PHOTO)
        self.fail(429, error("busy", "rate_limit_error"), **{"Retry-After": "2"})
        self.ask("Who?")
        self.assertEqual(len(self.mock.requests), 2)
        self.fail(429, error("busy", "rate_limit_error"), **{"Retry-After": "600"})
        self.write("Who else?" + Keys.ENTER)
        self.wait_for_text("Trying again in", ".growing")
        self.click("Stop")
        self.click("Try again")
        self.wait(lambda: len(self.css(".message.answer:not(.growing)")) == 2)

    def test_a_model_that_is_being_loaded_is_waited_for(self):
        self.mock.ready = False
        self.load()
        self.wait_for_text("The model is being loaded", "#banner")
        self.pick(PHOTO)
        self.write("Who?" + Keys.ENTER)
        self.wait_for_text("The model is being loaded", ".growing")
        self.mock.ready = True
        self.wait(lambda: self.css(".message.answer:not(.growing)"))
        self.wait(lambda: not self.visible("#banner"))
        self.assertIn("pvit-7b", self.one("#model").text)

    def test_a_key_is_asked_for_and_kept_for_the_session(self):
        self.mock.key = "secret"
        self.load()
        self.wait(lambda: self.visible("#key-dialog"))
        field = self.one("#key")
        self.assertEqual(field.get_attribute("type"), "password")
        field.send_keys("wrong" + Keys.ENTER)
        self.wait_for_text("does not accept this key", "#key-problem")
        field.send_keys("secret" + Keys.ENTER)
        self.wait(lambda: "context" in self.one("#model").text)
        self.ask("Who?")
        self.assertEqual(self.mock.requests[-1]["headers"]["Authorization"], "Bearer secret")
        self.driver.refresh()
        self.wait(lambda: "context" in self.one("#model").text)
        self.assertEqual(self.js("return JSON.stringify(localStorage).includes('secret')"), False)

    def test_a_key_that_becomes_necessary_is_asked_for_at_the_question(self):
        self.load(PHOTO)
        self.mock.key = "secret"
        self.write("Who?" + Keys.ENTER)
        self.wait(lambda: self.visible("#key-dialog"))
        self.one("#key").send_keys("secret" + Keys.ENTER)
        self.wait(lambda: self.css(".message.answer:not(.growing)"))

    def test_a_connection_that_breaks_keeps_the_text(self):
        self.load(PHOTO)
        self.mock.break_after = 3
        self.ask("Who?")
        self.assertIn("The swimmer in", self.one(".message.answer .said").text)
        self.wait_for_text("The answer broke off", ".message.answer")
        self.mock.break_after = None
        self.mock.error_after = (2, error("out of memory", "server_error"))
        self.click("Regenerate")
        self.wait_for_text("out of memory", ".message.answer")

    def test_a_server_that_is_away_is_noticed_and_its_return_too(self):
        self.load(PHOTO)
        self.driver.execute_cdp_cmd("Network.enable", {})
        network = {"latency": 0, "downloadThroughput": -1, "uploadThroughput": -1}
        self.driver.execute_cdp_cmd("Network.emulateNetworkConditions", network | {"offline": True})
        try:
            self.write("Who?" + Keys.ENTER)
            self.wait_for_text("cannot be reached", ".failure")
            self.wait_for_text("tries again by itself", "#banner")
        finally:
            self.driver.execute_cdp_cmd("Network.emulateNetworkConditions", network | {"offline": False})
        self.wait(lambda: not self.visible("#banner"))
        self.click("Try again")
        self.wait(lambda: self.css(".message.answer:not(.growing)"))

    def test_a_new_question_leaves_out_one_without_an_answer(self):
        self.load(PHOTO)
        self.fail(500, error("broken", "server_error"))
        self.write("Who?" + Keys.ENTER)
        self.wait_for_text("broken", ".failure")
        self.ask("What?")
        messages = self.last_request()["messages"]
        self.assertEqual(len(messages), 1)
        self.assertEqual(messages[0]["content"][0]["type"], "image_url")
        self.assertEqual(messages[0]["content"][1]["text"], "What?")


class Models(PageTest):
    def test_a_text_model_has_no_image_pane(self):
        self.mock.vision = self.mock.regions = False
        self.load()
        self.assertEqual(self.visible("#workspace"), [])
        self.ask("Name @a river.")
        self.assertEqual(self.last_request()["messages"], [{"role": "user", "content": "Name @a river."}])

    def test_a_model_without_regions_has_no_boxes(self):
        self.mock.regions = False
        self.load(PHOTO)
        self.assertEqual(self.visible("#tools, #add-box, #boxes"), [])
        self.drag(self.to_window(100, 100), self.to_window(200, 200))
        self.js("document.querySelector('#stage').focus()")
        self.keys("b")
        self.assertEqual(self.boxes(), {})
        self.ask("What is it?")
        self.assertEqual(self.last_request()["messages"][0]["content"][0]["type"], "image_url")


class Parameters(PageTest):
    def test_parameters_have_the_servers_defaults_and_are_sent_if_changed(self):
        self.load(PHOTO)
        self.click("Parameters")
        self.assertEqual(self.one("#parameter-temperature").get_attribute("placeholder"), "1")
        values = {"temperature": "0.5", "top_p": "0.9", "top_k": "40", "min_p": "0.05", "max_tokens": "64", "seed": "7"}
        values |= {"presence_penalty": "0.1", "frequency_penalty": "-0.2"}
        for name, value in values.items():
            self.one(f"#parameter-{name}").send_keys(value)
        self.one("#parameter-stop").send_keys("USER:" + Keys.ENTER + "\\n\\n")
        self.one("#parameter-system").send_keys("Be brief.")
        self.click("Done")
        self.ask("Who?")
        body = self.last_request()
        for name, value in values.items():
            self.assertEqual(body[name], float(value), name)
        self.assertEqual(body["stop"], ["USER:", "\n\n"])
        self.assertEqual(body["messages"][0], {"role": "system", "content": "Be brief."})
        self.click("Parameters")
        self.click("Reset")
        self.click("Done")
        self.ask("Who else?")
        extra = set(self.last_request()) - {"model", "messages", "stream", "stream_options", "return_progress"}
        self.assertEqual(extra, set())
        self.assertEqual(self.last_request()["messages"][0]["role"], "user")

    def test_wrong_values_are_refused(self):
        self.load()
        self.click("Parameters")
        for name, value in {"temperature": "-1", "top_p": "2", "top_k": "1.5", "max_tokens": "0"}.items():
            self.one(f"#parameter-{name}").send_keys(value)
            self.wait(lambda: "umber from" in self.one(f"#parameter-{name}-problem").text)
        self.click("Done")
        self.ask("Who?")
        self.assertNotIn("temperature", self.last_request())


class Conversations(PageTest):
    def open_saved(self):
        self.click("Conversations")
        self.wait(lambda: self.visible("#saved li"))

    def titles(self):
        return self.texts("#saved b")

    def test_conversations_are_kept_found_renamed_and_deleted(self):
        self.load(PHOTO)
        self.set_box([19, 121, 122, 331], "left")
        self.ask("Who is @left ?")
        self.click("New conversation")
        self.assertEqual(self.css(".message"), [])
        self.ask("Name a river")
        self.driver.refresh()
        self.wait(lambda: len(self.css(".message")) == 2)
        self.assertIn("Name a river", self.one("#title").text)
        self.open_saved()
        self.wait(lambda: self.titles() == ["Name a river", "Who is @left ?"])
        self.one("#search").send_keys("@LEFT")
        self.wait(lambda: self.titles() == ["Who is @left ?"])
        self.wait(lambda: self.visible("#saved .open")[0].click() is None)
        self.wait(lambda: not self.visible("#saved-dialog"))
        self.assertEqual(self.boxes(), {"left": [19, 121, 122, 331]})
        self.assertEqual(len(self.css(".box.named")), 2)
        self.ask("And @left now?")
        self.assertEqual(self.last_request()["messages"][0]["content"][0]["type"], "image_url")
        self.click("Rename this conversation")
        self.one("#ask-input").send_keys(Keys.CONTROL, "a")
        self.one("#ask-input").send_keys("Swimmers" + Keys.ENTER)
        self.wait(lambda: self.one("#title").text == "Swimmers")
        self.open_saved()
        self.wait(lambda: self.titles() == ["Swimmers", "Name a river"])
        self.click("Delete Name a river")
        self.click("Delete", "#ask-dialog")
        self.wait(lambda: self.titles() == ["Swimmers"])
        self.click("Delete all")
        self.click("Delete", "#ask-dialog")
        self.wait_for_text("No conversations yet", "#saved-empty")
        self.driver.refresh()
        self.wait(lambda: self.css("body[data-ready]"))
        self.assertEqual(self.css(".message"), [])

    def test_a_draft_and_its_boxes_survive_a_reload(self):
        self.load(PHOTO)
        self.set_box([19, 121, 122, 331], "left")
        self.write("Is @left")
        self.wait(lambda: self.driver.execute_async_script(SAVED_DRAFT) == "Is @left")
        self.driver.refresh()
        self.wait(lambda: self.css("#mentions .chip"))
        self.assertEqual(self.one("#question").get_attribute("value"), "Is @left")
        self.assertEqual(self.box(), [19, 121, 122, 331])

    def test_an_export_can_be_imported(self):
        self.load(PHOTO)
        self.set_box([19, 121, 122, 331], "left")
        self.ask("Who is @left ?")
        self.click("Export this conversation")
        text = self.download(".json")
        data = json.loads(text)
        self.assertTrue(data["image"]["data"].startswith("data:image/jpeg;base64,"))
        request = self.last_request()
        self.click("Conversations")
        self.click("Delete all")
        self.click("Delete", "#ask-dialog")
        self.wait_for_text("No conversations yet", "#saved-empty")
        path = pathlib.Path(DOWNLOADS.name) / "import.txt"
        path.write_text(text, encoding="utf-8")
        self.one("#import-file").send_keys(str(path))
        self.wait(lambda: not self.visible("#saved-dialog") and len(self.css(".message")) == 2)
        self.assertEqual(self.boxes(), {"left": [19, 121, 122, 331]})
        self.click("Regenerate")
        self.wait(lambda: self.css(".message.answer:not(.growing)"))
        self.wait(lambda: len(self.mock.requests) == 2)
        self.assertEqual(self.last_request(), request)
        self.click("Export this conversation")
        again = json.loads(self.download(".json"))
        for key in ("created", "messages"):
            data.pop(key), again.pop(key)
        self.assertEqual(again, data)
        path.unlink()

    def test_a_wrong_import_is_refused_with_its_mistake(self):
        good = {"format": "pvit conversation", "version": 1, "title": "t", "image": None, "boxes": [], "messages": []}
        region = {"name": "a b", "box": [0, 0, 1, 1]}
        wrong = {
            "The file is not JSON": "{",
            "This is not a conversation": {},
            "The file has version 2": good | {"version": 2},
            "messages[0].role is neither": good | {"messages": [{"role": "system", "text": ""}]},
            "messages[0] has the wrong role": good | {"messages": [{"role": "assistant", "text": ""}]},
            "messages[0].text is not a text": good | {"messages": [{"role": "user", "text": 1}]},
            "messages[0].regions[0].name": good | {"messages": [{"role": "user", "text": "", "regions": [region]}]},
            "There are boxes, but no image": good | {"boxes": [region]},
            "image.data is not a data URL": good | {"image": {"data": "https://example.org/"}},
            "parameters.seed has a value": good | {"parameters": {"seed": "x"}},
        }
        self.load()
        self.click("Conversations")
        path = pathlib.Path(DOWNLOADS.name) / "wrong.json"
        for text, value in wrong.items():
            path.write_text(value if isinstance(value, str) else json.dumps(value))
            self.one("#import-file").send_keys(str(path))
            self.wait_for_text(text, "#import-problem")
        path.unlink()

    def test_a_browser_that_keeps_nothing_is_noticed(self):
        off = "throw new DOMException('storage is off', 'SecurityError');"
        for script in (f"indexedDB.open = () => {{ {off} }}", f"IDBObjectStore.prototype.put = () => {{ {off} }}"):
            with self.subTest(script):
                self.use_without_storage(script)

    def use_without_storage(self, script):
        added = self.driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": script})
        try:
            self.load(PHOTO)
            self.wait(lambda: "does not keep conversations (storage is off)" in self.notices())
            self.ask("Who?")
            self.click("New conversation")
            self.open_saved()
            self.wait(lambda: self.visible("#saved .open")[0].click() is None)
            self.wait(lambda: len(self.css(".message")) == 2)
            self.assertIn("600 × 346", self.one("#stage").get_attribute("aria-label"))
        finally:
            self.driver.execute_cdp_cmd("Page.removeScriptToEvaluateOnNewDocument", added)


class Commands(PageTest):
    def copied(self, label, within):
        self.click(label, within)
        self.wait(lambda: "The command is copied" in self.notices())
        text = self.clipboard()
        self.click("Dismiss", ".notice")
        return text

    def run_curl(self, command):
        """Runs a command in bash; returns what it sent and got."""
        count = len(self.mock.requests)
        done = subprocess.run(["bash", "-c", command], cwd=PHOTO.parent, capture_output=True, timeout=60, check=True)
        self.assertEqual(len(self.mock.requests), count + 1)
        self.assertIn(b"data: [DONE]", done.stdout)
        return self.last_request()

    def test_curl_sends_what_the_page_sent(self):
        self.load(PHOTO)
        self.set_box([19, 121, 122, 331], "left")
        self.ask('It\'s "$HOME" `x` \\n @left ?')
        sent = self.last_request()
        sent.pop("return_progress")
        command = self.copied("Copy as curl", ".message")
        self.assertIn("<<'JSON'", command)
        self.assertEqual(self.run_curl(command), sent)
        self.ask("And then?")
        sent = self.last_request()
        sent.pop("return_progress")
        self.assertEqual(self.run_curl(self.copied("Copy as curl", ".message:last-child")), sent)

    def test_curl_reads_a_large_image_from_its_file(self):
        self.load(PHOTO.with_name("0012.jpg"))
        self.set_box([19, 121, 122, 331], "left")
        self.ask('It\'s "$HOME" `x` \\(1) @left ?')
        sent = self.last_request()
        sent.pop("return_progress")
        command = self.copied("Copy as curl", ".message")
        self.assertLess(len(command), 2000)
        self.assertEqual(self.run_curl(command), sent)

    def test_pvit_run_gets_its_options(self):
        self.load(PHOTO)
        self.set_box([19, 121, 122, 331], "left")
        self.click("Parameters")
        self.one("#parameter-seed").send_keys("7")
        self.one("#parameter-top_k").send_keys("40")
        self.one("#parameter-system").send_keys("Don't guess.")
        self.one("#parameter-stop").send_keys("a b")
        self.click("Done")
        self.ask('Who\'s in @left, "really"?')
        words = shlex.split(self.copied("Copy as pvit run", ".message"))
        expected = "pvit run pvit.pvq --image 0001.jpg --region left=19,121,122,331 --temperature 1 --top-k 40 --seed 7"
        expected = [*expected.split(), "--stop", "a b", "--system", "Don't guess.", 'Who\'s in {left}, "really"?']
        self.assertEqual(words, expected)
        self.ask("- and @left ?")
        button = self.button("Copy as pvit run", ".message:last-child")
        self.assertEqual(button.get_attribute("aria-disabled"), "true")
        button.click()
        self.wait(lambda: "first question only" in self.notices())
        self.click("New conversation")
        self.ask("- why?")
        self.assertEqual(shlex.split(self.copied("Copy as pvit run", ".message"))[-2:], ["--", "- why?"])

    def test_the_key_is_not_copied(self):
        self.mock.key = "secret"
        self.load()
        self.wait(lambda: self.visible("#key-dialog"))
        self.one("#key").send_keys("secret" + Keys.ENTER)
        self.wait(lambda: "context" in self.one("#model").text)
        self.ask("Who?")
        command = self.copied("Copy as curl", ".message")
        self.assertNotIn("secret", command)
        self.run_curl("export PVIT_API_KEY=secret; " + command)

    def test_without_a_clipboard_the_command_is_shown(self):
        self.load()
        self.ask("Who?")
        self.js("Object.defineProperty(navigator, 'clipboard', { value: undefined })")
        self.click("Copy as curl", ".message")
        self.wait(lambda: "curl" in self.one("#command-text").get_attribute("value"))


class Appearance(PageTest):
    def test_a_narrow_page_does_not_scroll_sideways(self):
        self.resize(360, 740)
        self.load(PHOTO)
        self.set_box([19, 121, 122, 331], "left")
        self.ask("Who is @left, or averyveryveryverylongwordwithoutanyspacesinitatallthatdoesnotfitintotheline?")
        self.assertLessEqual(self.js("return document.documentElement.scrollWidth"), 360)
        wide = self.js(
            "return [...document.querySelectorAll('main *, header *')].filter(e => e.checkVisibility()"
            " && !e.closest('.tools, #stage, svg, .unseen') && e.getBoundingClientRect().right > 361)"
            ".map(e => e.outerHTML)"
        )
        self.assertEqual(wide, [])
        for opener in ("Conversations", "Parameters", "Keys and help"):
            self.click(opener)
            self.settle()
            self.assertLessEqual(self.js("return document.querySelector('dialog[open]').scrollWidth"), 360)
            self.keys(Keys.ESCAPE)

    def test_fingers_get_large_targets(self):
        self.driver.execute_cdp_cmd("Emulation.setTouchEmulationEnabled", {"enabled": True})
        self.resize(360, 740)
        try:
            self.driver.execute_cdp_cmd(
                "Emulation.setDeviceMetricsOverride",
                {"width": 360, "height": 740, "deviceScaleFactor": 1, "mobile": True},
            )
            self.load(PHOTO)
            self.set_box([19, 121, 122, 331], "left")
            self.assertTrue(self.js("return matchMedia('(pointer: coarse)').matches"))
            self.ask("Who is @left ?")
            # Labels of boxes and chips have an area around what is painted.
            small = self.js(
                "return [...document.querySelectorAll('button, input:not([type=file]), textarea')].filter(e => {"
                " const { width, height } = e.getBoundingClientRect(), area = getComputedStyle(e, '::after');"
                " const grown = area.position === 'absolute' ? 22 : 0;"
                " return e.checkVisibility() && (height + grown < 44 || width + grown < 44); }).map(e => e.outerHTML)"
            )
            self.assertEqual(small, [])
            self.assertLessEqual(self.js("return document.documentElement.scrollWidth"), 360)
        finally:
            self.driver.execute_cdp_cmd("Emulation.setTouchEmulationEnabled", {"enabled": False})

    def test_the_theme_follows_the_system_until_it_is_chosen(self):
        dark = lambda: sum(self.screen().getpixel((5, 5))) < 200
        self.emulate(prefers_color_scheme="dark")
        self.load()
        self.assertTrue(dark())
        self.emulate(prefers_color_scheme="light")
        self.settle()
        self.assertFalse(dark())
        self.click("Theme: system")
        self.click("Theme: light")
        self.settle()
        self.assertTrue(dark())
        self.driver.refresh()
        self.wait(lambda: self.css("body[data-ready]"))
        self.assertTrue(dark())
        self.click("Theme: dark")
        self.settle()
        self.assertFalse(dark())

    def test_texts_have_contrast_in_both_themes(self):
        for scheme in ("light", "dark"):
            self.emulate(prefers_color_scheme=scheme)
            self.load(PHOTO)
            if not self.css(".message.answer"):
                self.set_box([19, 121, 122, 331], "left")
                self.ask("Who is @left ?")
                self.write("And @left ?")
            for opener in (None, "Conversations", "Parameters", "Keys and help"):
                if opener:
                    self.click(opener)
                    self.settle()
                self.assertEqual(self.js(LOW_CONTRAST), [], f"{scheme}, {opener}")
                if opener:
                    self.keys(Keys.ESCAPE)

    def test_everything_has_a_name(self):
        self.load(PHOTO)
        self.set_box([19, 121, 122, 331], "left")
        self.ask("Who is @left ?")
        ids = self.js("return [...document.querySelectorAll('[id]')].map(e => e.id)")
        self.assertEqual(len(ids), len(set(ids)))
        self.assertEqual(self.js("return document.documentElement.lang"), "en")
        for opener in (None, "Conversations", "Parameters", "Keys and help"):
            if opener:
                self.click(opener)
                self.settle()
            scope = "dialog[open] " if opener else ""
            for element in self.visible(", ".join(scope + kind for kind in NAMED)):
                self.assertTrue(element.accessible_name, element.get_attribute("outerHTML")[:200])
            broken = self.js(
                "return [...document.querySelectorAll('[aria-labelledby], [aria-describedby], [aria-controls]')]"
                ".flatMap(e => ['labelledby', 'describedby', 'controls'].map(n => e.getAttribute('aria-' + n)))"
                ".filter(id => id && !document.getElementById(id))"
            )
            self.assertEqual(broken, [])
            if opener:
                self.keys(Keys.ESCAPE)
        for landmark in ("header", "main", "nav"):
            self.assertEqual(len(self.css(landmark if landmark != "header" else "body > header")), 1)

    def test_the_focus_is_visible_and_the_first_link_skips_to_the_question(self):
        self.load()
        self.keys(Keys.TAB)
        self.assertEqual(self.js("return document.activeElement.className"), "skip")
        self.assertGreaterEqual(self.js("return document.activeElement.getBoundingClientRect().top"), 0)
        self.keys(Keys.ENTER)
        self.assertEqual(self.js("return document.activeElement.id"), "question")
        self.js("document.querySelector('.skip').focus()")
        for _ in range(4):
            self.keys(Keys.TAB)
            self.assertEqual(self.js("return getComputedStyle(document.activeElement).outlineStyle"), "solid")

    def test_nothing_moves_and_boxes_keep_their_colours_when_colours_are_forced(self):
        self.emulate(forced_colors="active")
        self.mock.gate(3)
        self.load(PHOTO)
        self.set_box([19, 121, 122, 331], "left")
        self.write("Who?" + Keys.ENTER)
        self.wait(lambda: self.css(".caret"))
        self.assertEqual(self.js("return document.getAnimations().length"), 0)
        colour = self.css(".box:not(.named)")[0].value_of_css_property("border-top-color")
        self.assertIn("255, 106, 69", colour)


NAMED = ("button", "input", "textarea", "[role=group]", "[role=region]", "section", "nav")
SAVED_DRAFT = """
    const done = arguments[0], request = indexedDB.open("pvit", 1);
    request.onsuccess = () => {
        const all = request.result.transaction("conversations").objectStore("conversations").getAll();
        all.onsuccess = () => { request.result.close(); done(all.result[0]?.draft); };
    };
"""
LOW_CONTRAST = """
    const linear = value => (value /= 255) <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
    const canvas = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
    const rgba = (colours) => {
        canvas.clearRect(0, 0, 1, 1);
        for (const colour of colours) { canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1); }
        return [...canvas.getImageData(0, 0, 1, 1).data];
    };
    const luminance = ([r, g, b]) => 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
    const root = document.querySelector("dialog[open]") ?? document.body, found = [];
    for (const element of root.querySelectorAll("*")) {
        const hasText = [...element.childNodes].some(node => node.nodeType === 3 && node.data.trim());
        if (!hasText || !element.checkVisibility()) continue;
        if (element.closest(".unseen, .skip, #chips, #stage, :disabled, [aria-disabled=true]")) continue;
        const style = getComputedStyle(element), layers = [];
        for (let parent = element; parent; parent = parent.parentElement)
            layers.unshift(getComputedStyle(parent).backgroundColor);
        const back = rgba(["white", ...layers]), front = rgba(["white", ...layers, style.color]);
        const [dark, light] = [luminance(back), luminance(front)].sort((a, b) => a - b);
        const ratio = (light + 0.05) / (dark + 0.05);
        const text = element.textContent.slice(0, 30);
        if (ratio < 4.5) found.push(`${element.tagName}.${element.className} ${text} ${ratio.toFixed(2)}`);
    }
    return found;
"""


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        unittest.main()
