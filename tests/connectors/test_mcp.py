"""The MCP server, talked to with the SDK's own client: in process, over stdio, over HTTP."""

from __future__ import annotations

import asyncio
import base64
import sys

import pytest
from mcp import Client, MCPError, StdioServerParameters
from web_house import RENDERED, SCENE, png

from saccade import Agent
from saccade.connectors.mcp_server import Desks, build_server, schema_of
from saccade.testing import ScriptedController, call
from saccade.testing.experts import TrueExperts
from saccade.tools.registry import all_tools

TRUTH = (SCENE, RENDERED.boxes.astype(float), RENDERED.masks)
PICTURE = base64.b64encode(png()).decode()


def talk(tmp_path, what, *script, user="ann"):
    """Run what a client does against a server in this process."""
    agent = Agent(controller=ScriptedController(list(script)), home=tmp_path, experts=TrueExperts(lambda _: TRUTH))
    desks = Desks(agent)

    async def run():
        async with Client(build_server(agent, desks, lambda _: user, paths=False)) as client:
            return await what(client)

    try:
        return asyncio.run(run())
    finally:
        desks.close()
        agent.close()


def test_the_schemas_are_those_of_the_registry(tmp_path):
    async def listed(client):
        return (await client.list_tools()).tools

    tools = {tool.name: tool for tool in talk(tmp_path, listed)}
    assert set(tools) == {*all_tools(), "ask", "show_pictures"}
    for name, tool in all_tools().items():
        assert tools[name].input_schema == schema_of(tool.Arguments)
        assert tools[name].description == tool.describe()
        assert "x-handle" not in str(tools[name].input_schema)


# A call of each tool that goes well on this picture, in an order in which each has what it needs.
CALLS = {
    "find_objects": {"image": "img_1"},
    "select_regions": {"regions": ["reg_1", "reg_2"], "order": "largest"},
    "segment_objects": {"regions": ["reg_1"]},
    "crop_image": {"image": "reg_1"},
    "read_text": {"image": "img_1"},
    "read_table": {"image": "img_1"},
    "describe_image": {"image": "img_1"},
    "answer_about_image": {"images": "img_1", "question": "What is in the picture?"},
    "classify_image": {"image": "img_1", "labels": ["desk", "street"]},
    "compare_images": {"images": ["img_1", "img_2"], "statement": "both show a ball"},
    "inspect_image": {"image": "img_1"},
    "edit_image": {"image": "img_1", "edits": [{"do": "greyscale"}]},
    "generate_image": {"prompt": "a red cube", "tries": 1},
    "calculate": {"expression": "2 + 2"},
    "remember_image": {"image": "img_1", "note": "mine"},
    "search_memory": {"words": "a cube"},
    "forget_image": {"image": "img_1"},
}


def test_every_tool_can_be_called_and_pictures_come_as_images(tmp_path):
    async def all_of_them(client):
        shown = await client.call_tool("show_pictures", {"pictures": [PICTURE]})
        assert shown.structured_content["pictures"][0]["handle"] == "img_1"
        return {name: await client.call_tool(name, arguments) for name, arguments in CALLS.items()}

    told = talk(tmp_path, all_of_them)
    assert set(told) == set(all_tools())
    spoken = {name: result.content[0].text for name, result in told.items()}
    failed = {name for name, result in told.items() if result.is_error}
    assert failed <= {"answer_about_image", "compare_images"}, "a scene's truth does not answer open questions"
    for name in ("crop_image", "edit_image", "generate_image"):
        image = told[name].content[1]
        assert (image.type, image.mime_type) == ("image", "image/png")
        assert base64.b64decode(image.data).startswith(b"\x89PNG")
    assert told["find_objects"].structured_content["regions"][0]["handle"] == "reg_1"
    assert str(tmp_path) not in str([result.structured_content for result in told.values()])
    assert spoken["forget_image"].startswith("Not deleted"), "nothing is deleted on a program's word alone"


def test_ask_shares_the_conversation_with_the_tools(tmp_path):
    async def asked(client):
        await client.call_tool("show_pictures", {"pictures": [PICTURE]})
        answer = await client.call_tool("ask", {"request": "What is there?"})
        outlined = await client.call_tool("segment_objects", {"regions": ["reg_1"]})
        return answer, outlined

    answer, outlined = talk(tmp_path, asked, call("find_objects", image="img_1"), "I see reg_1.")
    assert answer.content[0].text == "I see reg_1."
    assert answer.content[1].type == "image"
    assert answer.structured_content["steps"][0]["tool"] == "find_objects"
    assert not outlined.is_error


def test_what_is_wrong_is_told_so_that_it_can_be_mended(tmp_path):
    async def wrong(client):
        told = [
            await client.call_tool("find_objects", {"image": "img_7"}),
            await client.call_tool("find_objects", {"picture": "img_1"}),
            await client.call_tool("show_pictures", {"pictures": ["/etc/passwd"]}),
            await client.call_tool("show_pictures", {"pictures": []}),
        ]
        with pytest.raises(MCPError, match="no tool 'melt'"):
            await client.call_tool("melt", {})
        with pytest.raises(MCPError, match="pic_000000000000"):
            await client.read_resource("saccade://pictures/pic_000000000000")
        return told

    told = talk(tmp_path, wrong)
    assert all(one.is_error for one in told)
    assert "img_7" in told[0].content[0].text
    assert "picture" in told[1].content[0].text
    assert "/etc/passwd" in told[2].content[0].text
    assert "pictures" in told[3].content[0].text


def test_what_was_remembered_is_there_as_resources_for_its_owner(tmp_path):
    async def shown(client):
        await client.call_tool("show_pictures", {"pictures": [PICTURE]})
        await client.call_tool("find_objects", {"image": "img_1"})

    async def listed(client):
        found = (await client.list_resources()).resources
        return [(one, (await client.read_resource(str(one.uri))).contents[0].blob) for one in found]

    talk(tmp_path, shown)
    (resource, blob), = talk(tmp_path, listed)  # fmt: skip
    assert resource.mime_type == "image/png"
    assert base64.b64decode(blob).startswith(b"\x89PNG")
    assert talk(tmp_path, listed, user="bob") == []


def test_over_stdio_as_clients_start_it(tmp_path):
    (tmp_path / "a.png").write_bytes(png())
    command = StdioServerParameters(
        command=sys.executable, args=["-m", "saccade", "mcp"], env={"SACCADE_HOME": str(tmp_path / "home")}
    )

    async def run():
        async with Client(command) as client:
            names = {tool.name for tool in (await client.list_tools()).tools}
            shown = await client.call_tool("show_pictures", {"pictures": [str(tmp_path / "a.png")]})
            seen = await client.call_tool("inspect_image", {"image": "img_1"})
            return names, shown, seen

    names, shown, seen = asyncio.run(run())
    assert "find_objects" in names
    assert shown.content[0].text == "img_1 (256 x 256 px)"
    assert "256 x 256" in seen.content[0].text
