"""The OpenAI client from PyPI, and LangChain on top of it, against the server."""

import asyncio
import json
import math
import unittest

import jsonschema
import openai
import pydantic
from content import data_url, image, region, text, user
from langchain_openai import ChatOpenAI
from server import PHOTOS, Server, ServerTest, model, run

# The photograph has 281 × 179 pixels.
BOX = (20, 40, 200, 150)


class OpenAIClientTests(ServerTest):
    options = ("--parallel", "4", "--media-folder", PHOTOS)

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.client = openai.OpenAI(base_url=cls.server.address + "/v1", api_key="none", max_retries=0)
        cls.asynchronous = openai.AsyncOpenAI(base_url=cls.server.address + "/v1", api_key="none", max_retries=0)

    @classmethod
    def tearDownClass(cls):
        cls.client.close()
        super().tearDownClass()

    def create(self, *messages, **parameters):
        parameters = {"model": "pvit", "temperature": 0, "max_tokens": 8} | parameters
        return self.client.chat.completions.create(messages=list(messages), **parameters)

    def test_models(self):
        self.assertEqual([model.id for model in self.client.models.list()], ["pvit"])
        self.assertEqual(self.client.models.retrieve("pvit").owned_by, "pvit")
        with self.assertRaises(openai.NotFoundError):
            self.client.models.retrieve("gpt-9")

    def test_text_is_that_of_the_command_line(self):
        photo = PHOTOS / "0024.jpg"
        name, box = "left", ",".join(map(str, BOX))
        cases = [
            (run("Why?", "--max-tokens", 8), [user("Why?")]),
            (run("What?", "--max-tokens", 8, "--image", photo), [user(image(), text("What?"))]),
            (
                run("What is {left}?", "--max-tokens", 8, "--image", photo, "--region", f"{name}={box}"),
                [user(image(), text("What is {left}?"), region(name, *BOX))],
            ),
            (
                run("Why?", "--max-tokens", 8, "--temperature", 0.9, "--top-p", 0.8, "--seed", 17),
                [user("Why?")],
                {"temperature": 0.9, "top_p": 0.8, "seed": 17},
            ),
            (
                run("Why?", "--max-tokens", 8, "--system", "Be brief."),
                [{"role": "system", "content": "Be brief."}, user("Why?")],
            ),
        ]

        async def stream(messages, parameters):
            parameters = {"model": "pvit", "temperature": 0, "max_tokens": 8, "stream": True} | parameters
            chunks = await self.asynchronous.chat.completions.create(messages=messages, **parameters)
            return "".join([choice.delta.content or "" async for chunk in chunks for choice in chunk.choices])

        async def together():
            return await asyncio.gather(*(stream(case[1], case[2] if len(case) > 2 else {}) for case in cases * 2))

        expected = [case[0]["text"] for case in cases]
        for case, answer in zip(cases, expected, strict=True):
            parameters = case[2] if len(case) > 2 else {}
            alone = self.create(*case[1], **parameters)
            self.assertEqual(alone.choices[0].message.content, answer)
            self.assertEqual(alone.usage.prompt_tokens, case[0]["prompt_tokens"])
            self.assertEqual(alone.usage.completion_tokens, len(case[0]["tokens"]))
            streamed = self.create(*case[1], stream=True, **parameters)
            self.assertEqual("".join(c.choices[0].delta.content or "" for c in streamed), answer)
        self.assertEqual(asyncio.run(together()), expected * 2)

    def test_stream(self):
        chunks = list(
            self.create(
                user("Why?"),
                stream=True,
                n=2,
                stream_options={"include_usage": True},
                extra_body={"return_progress": True},
            )
        )
        choices = [choice for chunk in chunks for choice in chunk.choices]
        for index in range(2):
            mine = [choice for choice in choices if choice.index == index]
            self.assertEqual(mine[0].delta.role, "assistant")
            self.assertEqual([c.finish_reason for c in mine], [None] * (len(mine) - 1) + ["length"])
        self.assertEqual(chunks[-1].choices, [])
        self.assertEqual(chunks[-1].usage.completion_tokens, 16)
        progress = [chunk.model_extra["prompt_progress"] for chunk in chunks if "prompt_progress" in chunk.model_extra]
        self.assertEqual(progress[-1]["phase"], "tokens")
        self.assertEqual(len({chunk.id for chunk in chunks}), 1)

    def test_image_sources(self):
        answers = [
            self.create(user({"type": "image_url", "image_url": source}, text("What?"))).choices[0].message.content
            for source in [
                {"url": data_url()},
                data_url(),
                "0024.jpg",
                {"url": "file://0024.jpg"},
                f"file://{PHOTOS}/0024.jpg",
            ]
        ]
        self.assertEqual(len(set(answers)), 1)
        for source in ["../photos/../content.py", "/etc/passwd", "https://example.org/a.jpg", "data:,abc", "none.jpg"]:
            with self.assertRaises(openai.APIStatusError) as raised:
                self.create(user({"type": "image_url", "image_url": source}, text("What?")))
            self.assertEqual(raised.exception.status_code, 400, source)
            self.assertEqual(raised.exception.param, "messages[0].content[0].image_url")
        with self.assertRaises(openai.UnprocessableEntityError):
            self.create(user({"type": "image_url", "image_url": "data:image/png;base64,AAAA"}, text("What?")))

    def test_regions(self):
        """Pixels, fractions, PVIT's own syntax and a region at its place are the same region."""
        width, height = self.photo_size()
        pixels = [0, 0, width // 2, height // 2]
        thousandths = [0, 0, round(pixels[2] / width * 1000), round(pixels[3] / height * 1000)]
        tag = "<Region>" + "".join(f"<L{n}>" for n in thousandths) + "</Region>"
        fractions = [n / 1000 for n in thousandths]
        answers = [
            self.create(user(image(), *parts)).choices[0].message.content
            for parts in [
                [text("What is {a}?"), region("a", *pixels)],
                [text("What is {a}?"), region("a", *fractions)],
                [text(f"What is {tag}?")],
                [text("What is "), {"type": "region", "box": pixels}, text("?")],
            ]
        ]
        self.assertEqual(len(set(answers)), 1)
        for parts, problem in [
            ([text("What?"), region("a", *pixels)], "no message mentions"),
            ([text("What is {a}?"), region("a", 0, 0, 99999, 5)], "beyond the image"),
            ([text("What is {a}?"), region("a", 0, 0, 5)], "four numbers"),
            ([text("What is {a b}?"), region("a b", *pixels)], "characters"),
            ([text("What is {a}?"), region("a", *pixels), region("a", 1, 1, 5, 5)], "two different"),
        ]:
            with self.assertRaises(openai.BadRequestError) as raised:
                self.create(user(image(), *parts))
            self.assertIn(problem, str(raised.exception))

    def photo_size(self):
        from PIL import Image

        with Image.open(PHOTOS / "0024.jpg") as picture:
            return picture.size

    def test_conversation_takes_over_what_it_has_read(self):
        first = [user(image(), text("What is {a}?"), region("a", *BOX))]
        answer = self.create(*first)
        # Region parts are sent again with every request, as the rest of the conversation.
        second = [*first, {"role": "assistant", "content": answer.choices[0].message.content}, user("And why?")]
        again = self.create(*second)
        self.assertGreaterEqual(again.usage.prompt_tokens_details.cached_tokens, answer.usage.prompt_tokens)
        self.assertEqual(again.model_extra["timings"]["vision_ms"], 0)

    def test_parameters(self):
        self.assertEqual(self.create(user("Why?"), max_tokens=None, max_completion_tokens=3).usage.completion_tokens, 3)
        self.assertEqual(len(self.create(user("Why?"), n=4, temperature=1.2, seed=1).choices), 4)
        whole = self.create(user("Why?"), max_tokens=12).choices[0].message.content
        stop = whole[4:7]
        stopped = self.create(user("Why?"), max_tokens=12, stop=[stop, "never"])
        self.assertEqual(stopped.choices[0].message.content, whole[: whole.index(stop)])
        self.assertEqual(stopped.choices[0].finish_reason, "stop")
        token = run("Why?", "--max-tokens", 1)["tokens"][0]
        banned = self.create(user("Why?"), logit_bias={str(token): -100}).choices[0].message.content
        self.assertFalse(banned.startswith(whole[:3]))
        forced = self.create(user("Why?"), max_tokens=3, logit_bias={"15043": 100}).choices[0].message.content
        self.assertEqual(forced.split(), ["Hello"] * 3)
        penalized = (
            self.create(user("Why?"), max_tokens=3, logit_bias={"15043": 100, "3186": 99.5}, presence_penalty=1)
            .choices[0]
            .message.content
        )
        self.assertIn("World", penalized.title())
        same = [self.create(user("Why?"), temperature=1.5, seed=5, max_tokens=12) for _ in range(2)]
        self.assertEqual(*(answer.choices[0].message.content for answer in same))
        ignored = {"user": "me", "metadata": {"a": "b"}, "store": False, "unknown": 1}
        self.create(user("Why?"), max_tokens=1, extra_body=ignored)

    def test_parameters_out_of_range(self):
        for name, value in {
            "temperature": 3,
            "top_p": 2,
            "n": 5,
            "max_tokens": -1,
            "seed": "x",
            "stop": 3,
            "top_logprobs": 99,
            "logit_bias": {"a": 1},
            "presence_penalty": 9,
            "stream": "yes",
            "messages": "hello",
            "min_p": -1,
        }.items():
            body = {"messages": [user("Why?")], "max_tokens": 1} | {name: value}
            status, answer = self.server.post("/v1/chat/completions", body)
            self.assertEqual((status, answer["error"]["param"]), (400, name), answer)
            self.assertEqual(answer["error"]["type"], "invalid_request_error")

    def test_logprobs(self):
        answer = self.create(user("Why?"), logprobs=True, top_logprobs=3, max_tokens=4)
        content = answer.choices[0].logprobs.content
        self.assertEqual(len(content), 4)
        for entry in content:
            self.assertEqual(len(entry.top_logprobs), 3)
            self.assertEqual(entry.top_logprobs[0].token, entry.token)
            self.assertLess(sum(math.exp(top.logprob) for top in entry.top_logprobs), 1)
            self.assertEqual(bytes(entry.bytes).decode(), entry.token)
        none = self.create(user("Why?"), logprobs=True, top_logprobs=0, max_tokens=2)
        self.assertEqual([entry.top_logprobs for entry in none.choices[0].logprobs.content], [[], []])
        streamed = self.create(user("Why?"), logprobs=True, top_logprobs=3, max_tokens=4, stream=True)
        entries = [e for c in streamed if c.choices and c.choices[0].logprobs for e in c.choices[0].logprobs.content]
        self.assertEqual([e.token for e in entries], [e.token for e in content])

    def test_text_completions(self):
        parameters = {"model": "pvit", "temperature": 0, "max_tokens": 6}
        expected = run("Once upon a", "--raw", "--max-tokens", 6)["text"]
        answer = self.client.completions.create(prompt="Once upon a", logprobs=2, **parameters)
        self.assertEqual(answer.choices[0].text, expected)
        self.assertEqual("".join(answer.choices[0].logprobs.tokens), expected)
        self.assertEqual(len(answer.choices[0].logprobs.top_logprobs[0]), 2)
        streamed = self.client.completions.create(prompt="Once upon a", stream=True, **parameters)
        self.assertEqual("".join(chunk.choices[0].text for chunk in streamed), expected)
        tokens = self.server.post("/tokenize", {"content": "Once upon a", "add_special": True})[1]["tokens"]
        several = self.client.completions.create(prompt=[tokens, tokens], n=2, **parameters)
        self.assertEqual([choice.text for choice in several.choices], [expected] * 4)
        self.assertEqual(several.usage.prompt_tokens, 2 * len(tokens))
        echoed = self.client.completions.create(prompt="Once upon a", echo=True, **parameters)
        self.assertEqual(echoed.choices[0].text, "Once upon a" + expected)
        default = self.client.completions.create(model="pvit", prompt="Once")
        self.assertEqual(default.usage.completion_tokens, 16)

    def test_structured_output(self):
        schema = {
            "type": "object",
            "properties": {
                "name": {"type": "string", "maxLength": 8},
                "count": {"type": "integer", "minimum": 1, "maximum": 20},
                "tags": {"type": "array", "items": {"enum": ["red", "green"]}, "maxItems": 2},
            },
            "required": ["name", "count", "tags"],
            "additionalProperties": False,
        }
        style = {"type": "json_schema", "json_schema": {"name": "thing", "schema": schema, "strict": True}}
        for seed in range(4):
            answer = self.create(user("Why?"), response_format=style, temperature=1.5, seed=seed, max_tokens=200)
            self.assertEqual(answer.choices[0].finish_reason, "stop")
            jsonschema.validate(json.loads(answer.choices[0].message.content), schema)
        for keyword in [{"type": "object", "dependentRequired": {"a": ["b"]}}, {"type": "nothing"}]:
            style["json_schema"]["schema"] = keyword
            with self.assertRaises(openai.BadRequestError) as raised:
                self.create(user("Why?"), response_format=style)
            self.assertEqual(raised.exception.param, "response_format")

    def test_parsed_output(self):
        class Answer(pydantic.BaseModel):
            yes: bool
            count: int | None

        parsed = self.client.chat.completions.parse(
            model="pvit", messages=[user("Why?")], response_format=Answer, max_tokens=100, temperature=0
        )
        self.assertIsInstance(parsed.choices[0].message.parsed, Answer)

    def test_context_and_tools(self):
        with self.assertRaises(openai.BadRequestError) as raised:
            self.create(user("why " * 3000))
        self.assertEqual(raised.exception.code, "context_length_exceeded")
        with self.assertRaises(openai.BadRequestError) as raised:
            self.create(user("Why?"), tools=[{"type": "function", "function": {"name": "f"}}])
        self.assertEqual(raised.exception.param, "tools")

    def test_langchain(self):
        chat = ChatOpenAI(
            base_url=self.server.address + "/v1", api_key="none", model="pvit", temperature=0, max_tokens=8
        )
        expected = run("Why?", "--max-tokens", 8)["text"]
        self.assertEqual(chat.invoke("Why?").content, expected)
        self.assertEqual("".join(chunk.content for chunk in chat.stream("Why?")), expected)


class TextModelTests(unittest.TestCase):
    def test_images_are_refused(self):
        with Server("--chat-template", "vicuna", file=model("text")) as server:
            self.assertEqual(server.get("/props")[1]["modalities"], {"vision": False, "regions": False})
            body = {"messages": [user("Why?")], "max_tokens": 4, "temperature": 0}
            expected = run("Why?", "--chat-template", "vicuna", "--max-tokens", 4, file=model("text"))
            status, answer = server.post("/v1/chat/completions", body)
            self.assertEqual((status, answer["choices"][0]["message"]["content"]), (200, expected["text"]))
            body["messages"] = [user(image(), text("Why?"))]
            status, answer = server.post("/v1/chat/completions", body)
            self.assertEqual((status, answer["error"]["code"]), (400, "model.no-vision"))


if __name__ == "__main__":
    unittest.main()
