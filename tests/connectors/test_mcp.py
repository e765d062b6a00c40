"""The MCP server, talked to with the SDK's own client: in process, over stdio, over HTTP."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import socket
import subprocess
import sys
import time

import httpx
import pytest
from langchain.agents import create_agent
from langchain_core.tools import StructuredTool
from mcp import Client, MCPError, StdioServerParameters
from mcp.client.streamable_http import streamable_http_client
from mcp.shared._httpx_utils import create_mcp_http_client
from web_house import Hanging, png, scripted_agent

from saccade.connectors.listeners import JsonLog
from saccade.connectors.mcp_server import Desks, build_server, schema_of
from saccade.testing import ScriptedController, call
from saccade.tools.registry import all_tools

HTTP_TOKEN = "a token of some length"
PICTURE = base64.b64encode(png()).decode()


def talk(tmp_path, what, *script, user="ann", listener=None):
    """Run what a client does against a server in this process."""
    agent = scripted_agent(tmp_path, list(script))
    desks = Desks(agent, listener)

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


def test_ask_shares_the_conversation_with_the_tools_and_is_logged(tmp_path, caplog):
    caplog.set_level("INFO", "saccade.turns")

    async def asked(client):
        await client.call_tool("show_pictures", {"pictures": [PICTURE]})
        answer = await client.call_tool("ask", {"request": "What is there?"})
        outlined = await client.call_tool("segment_objects", {"regions": ["reg_1"]})
        return answer, outlined

    script = [call("find_objects", image="img_1"), "I see reg_1."]
    answer, outlined = talk(tmp_path, asked, *script, listener=JsonLog())
    (line,) = (json.loads(record.message) for record in caplog.records if record.name == "saccade.turns")
    assert (line["user"], line["status"], [step["tool"] for step in line["steps"]]) == (
        "ann",
        "answered",
        ["find_objects"],
    )
    assert answer.content[0].text == "I see reg_1."
    assert answer.content[1].type == "image"
    assert answer.structured_content["steps"][0]["tool"] == "find_objects"
    assert not outlined.is_error


def test_a_server_that_stops_does_not_wait_for_a_model_that_hangs(tmp_path):
    hang = Hanging()
    with scripted_agent(tmp_path, hang) as agent:
        desks = Desks(agent)

        async def run():
            async with Client(build_server(agent, desks, lambda _: "ann", paths=False)) as client:
                asked = asyncio.ensure_future(client.call_tool("ask", {"request": "What is there?"}))
                while not hang.begun.is_set():
                    await asyncio.sleep(0.01)
                left = desks.close()
                hang.gate.set()
                return left, (await asked).content[0].text

        assert asyncio.run(run()) == (1, "Done.")


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


@pytest.fixture
def address(tmp_path):
    """Where `saccade mcp --http` listens, for those who have the token, with the bundled models."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = os.environ | {"SACCADE_HOME": str(tmp_path / "home"), "SACCADE_TOKEN": HTTP_TOKEN}
    command = [sys.executable, "-m", "saccade", "mcp", "--http", "--port", str(port)]
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as server:
        while True:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            assert server.poll() is None, server.stderr.read()
            time.sleep(0.05)
        yield f"http://127.0.0.1:{port}/mcp"
        server.terminate()
        assert server.wait(20) == 0


def test_a_langchain_agent_of_somebody_else_does_a_whole_task_over_http(address):
    controller = ScriptedController([
        call("show_pictures", pictures=[PICTURE]),
        call("find_objects", image="img_1", phrase="everything", at_most=3),
        call("crop_image", image="reg_1"),
        "I cropped reg_1.",
    ])  # fmt: skip

    async def run():
        http = create_mcp_http_client(headers={"Authorization": f"Bearer {HTTP_TOKEN}"})
        async with http, Client(streamable_http_client(address, http_client=http)) as client:

            def made(offered):
                async def asked(**arguments):
                    answer = await client.call_tool(offered.name, arguments)
                    return "\n".join(part.text for part in answer.content if part.type == "text"), answer

                return StructuredTool.from_function(
                    coroutine=asked, name=offered.name, description=offered.description,
                    args_schema=offered.input_schema, response_format="content_and_artifact",
                )  # fmt: skip

            tools = [made(one) for one in (await client.list_tools()).tools]
            agent = create_agent(controller, tools)
            return (await agent.ainvoke({"messages": [("user", "Crop something.")]}))["messages"]

    messages = asyncio.run(run())
    assert messages[-1].content == "I cropped reg_1."
    shown, found, cropped = (one for one in messages if one.type == "tool")
    assert shown.content == "img_1 (256 x 256 px)"
    assert "reg_1" in found.content
    assert "img_2" in cropped.content
    assert [part.type for part in cropped.artifact.content] == ["text", "image"]


def test_over_http_nobody_comes_in_without_the_token(address):
    asked = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
    for headers in ({}, {"Authorization": "Bearer another token of some length"}):
        assert httpx.post(address, json=asked, headers=headers).status_code == 401
