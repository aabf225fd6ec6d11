"""What a tool's `job` may say, and what is served of one that says something else."""

import json
from typing import Any

import pytest
from django.core.exceptions import ValidationError

from mcp_gateway.answers import NOTES, STATUS, AnswerRule
from mcp_gateway.catalog import CatalogTool, compile_tools, read_replacements
from mcp_gateway.conduct.rules import Conduct, Limits, MayCall
from mcp_gateway.definitions import ORIGIN_FIELDS, definition
from mcp_gateway.jobs.rule import UnusableJob, read_job
from mcp_gateway.models import FormerName, Tool, ToolRevision, Upstream
from mcp_gateway.revert import revert
from mcp_gateway.seed import read_definitions, synchronize
from mcp_gateway.transfer import plan
from tests.mcp_gateway.test_admin import CHANGELIST, form_data, post, signed_in
from tests.mcp_gateway.test_models import make_tool

JOB: dict[str, Any] = {
    "status_tool": "look",
    "cancel_tool": "stop",
    "arguments": {"run_id": "answer.data.id"},
    "state": "data.state",
    "terminal": ["DONE", "LOST"],
    "input_required": ["ASKING"],
}
WITH_ID = {"type": "object", "properties": {"run_id": {"type": "string"}}, "required": ["run_id"]}
PLAIN: dict[str, Any] = {"query_parameters": [], "destructive": False, "read_only": True}


def without(key: str) -> dict[str, Any]:
    return {name: value for name, value in JOB.items() if name != key}


def looking(**fields: Any) -> Tool:
    defaults = {"name": "look", "path_template": "/runs/{run_id}", "input_schema": WITH_ID}
    return make_tool(**PLAIN | defaults | fields)


def stopping(**fields: Any) -> Tool:
    changes = {"name": "stop", "path_template": "/runs/{run_id}/stop", "read_only": False}
    return looking(**changes | fields)


def starting(**fields: Any) -> Tool:
    return make_tool(**{"name": "start", "job": JOB} | fields)


def compiled(*tools: Tool) -> dict[str, CatalogTool]:
    """As the rows are here, also where none could be saved so."""
    for tool in tools:
        if tool.pk is None:
            job, tool.job = tool.job, {}
            tool.save()
            tool.job = job
    return compile_tools(tools, read_replacements())


# What it says ----------------------------------------------------------------------------------


def test_most_tools_start_nothing():
    assert read_job({}) is None


def test_a_job_knows_its_arguments_and_its_states():
    rule = read_job(JOB | {"arguments": {"run_id": "answer.data.id", "place": "arguments.place"}})
    assert rule is not None
    found = rule.find_arguments({"place": "here"}, {"data": {"id": "r1"}})
    assert found == {"run_id": "r1", "place": "here"}
    assert rule.find_arguments({"place": "here"}, {"data": []}) is None
    assert rule.find_state({"data": {"state": "DONE"}}) == "DONE"
    assert rule.is_over("DONE")
    assert rule.needs_somebody("ASKING")
    assert not any(map(rule.is_over, ("ASKING", "done", None)))


@pytest.mark.parametrize(
    "answer", [None, [], 5, "DONE", {"data": {"state": ["DONE"]}}, {"data": 1}]
)
def test_an_answer_that_names_no_state_isnt_the_end(answer):
    rule = read_job(JOB)
    assert rule is not None
    assert rule.find_state(answer) is None


def test_a_state_may_be_true_which_isnt_one():
    rule = read_job(without("input_required") | {"state": "done", "terminal": [True]})
    assert rule is not None
    assert rule.is_over(rule.find_state({"done": True}))
    assert not rule.is_over(rule.find_state({"done": False}))
    assert not rule.is_over(rule.find_state({"done": 1}))


@pytest.mark.parametrize(
    ("job", "told"),
    [
        ([], "must be a JSON object; {} for a tool that starts no job"),
        (None, "must be a JSON object"),
        (JOB | {"states": []}, "There is no states; use status_tool, "),
        *((without(key), f"{key} is missing") for key in ("status_tool", "state", "terminal")),
        (without("arguments"), "arguments is missing"),
        (JOB | {"status_tool": ""}, "status_tool must be a tool's name"),
        (JOB | {"cancel_tool": 5}, "cancel_tool must be a tool's name"),
        (JOB | {"arguments": {}}, "arguments must be an object of 1 to 10"),
        (JOB | {"arguments": ["run_id"]}, "arguments must be an object of 1 to 10"),
        (JOB | {"arguments": {"run_id": 5}}, "arguments.run_id must be a JMESPath expression"),
        (JOB | {"arguments": {"run_id": "a["}}, "arguments.run_id: Not a JMESPath expression"),
        (JOB | {"arguments": {f"a{n}": "x" for n in range(11)}}, "arguments must be an object"),
        (JOB | {"state": " "}, "state must be a JMESPath expression"),
        (JOB | {"state": "nope(@)"}, "state: There is no function nope()"),
        (JOB | {"terminal": []}, "terminal must name a state"),
        (JOB | {"terminal": "DONE"}, "terminal must be a list"),
        (JOB | {"terminal": [None]}, "terminal must be a list"),
        (JOB | {"terminal": [1.5]}, "terminal must be a list"),
        (JOB | {"terminal": [""]}, "A state of terminal must have 1 to 100 characters"),
        (JOB | {"terminal": ["x"] * 51}, "at most 50 states"),
        (JOB | {"input_required": ["LOST"]}, "LOST can't be both terminal and input_required"),
    ],
)
def test_what_cant_be_a_job_is_refused_with_the_reason(job, told):
    with pytest.raises(UnusableJob) as error:
        read_job(job)
    assert told in str(error.value)


# Which tools it may name -----------------------------------------------------------------------


@pytest.mark.django_db
def test_a_sensible_job_is_clean():
    looking().save()
    stopping().save()
    starting().full_clean()


OTHER_ID = {"type": "object", "properties": {"id": {"type": "string"}}, "required": ["id"]}
TWO_IDS = {
    "type": "object",
    "properties": {"run_id": {"type": "string"}, "place": {"type": "string"}},
    "required": ["run_id", "place"],
}
OPTIONAL_ID = {"type": "object", "properties": {"run_id": {"type": "string"}}}
OWN_WAIT = {
    **WITH_ID,
    "properties": {"run_id": {"type": "string"}, "wait_seconds": {"type": "integer"}},
}
UNFIT: list[tuple[dict[str, Any], dict[str, Any], str]] = [
    ({"name": "other"}, {}, "status_tool: there is no tool look"),
    ({"read_only": False}, {}, "status_tool: look isn't marked read-only"),
    ({"job": JOB}, {}, "status_tool: look starts a job itself"),
    ({"input_schema": OTHER_ID}, {}, "arguments: look needs id too"),
    ({"input_schema": TWO_IDS}, {}, "arguments: look needs place too"),
    ({"input_schema": OPTIONAL_ID}, {}, "arguments: look has no required argument run_id"),
    ({}, {"name": "other"}, "cancel_tool: there is no tool stop"),
    ({}, {"input_schema": TWO_IDS}, "arguments: stop needs place too"),
]


@pytest.mark.django_db
@pytest.mark.parametrize(("look", "stop", "told"), UNFIT)
def test_a_job_whose_tools_have_no_part_in_it_is_refused(look, stop, told):
    looking(**look).save()
    stopping(**stop).save()
    with pytest.raises(ValidationError) as error:
        starting().full_clean()
    assert told in error.value.message_dict["job"][0]


@pytest.mark.django_db
@pytest.mark.parametrize(("look", "stop", "told"), UNFIT)
def test_written_past_validation_its_tool_is_served_without_it(caplog, look, stop, told):
    """A cancel tool that isn't there may be switched off, so only that is left out."""
    tools = compiled(starting(), looking(**look), stopping(**stop))
    if told.startswith("cancel_tool"):
        job = tools["start"].job
        assert job is not None
        assert job.cancel_tool == ""
        return
    assert tools["start"].job is None
    assert "wait_seconds" not in tools["start"].wire.input_schema["properties"]
    assert f"The job of the tool 'start' is left out: {told}" in caplog.text


@pytest.mark.parametrize("job", [None, [], "x", {"status_tool": 1}, {"arguments": "x"}])
@pytest.mark.django_db
def test_any_json_in_the_row_leaves_the_tool_served(job):
    tools = compiled(starting(job=job), looking())
    assert tools["start"].job is None
    assert list(tools) == ["look", "start"]


@pytest.mark.django_db
@pytest.mark.parametrize("key", ["status_tool", "cancel_tool"])
def test_a_job_isnt_about_its_own_tool(key):
    looking().save()
    stopping().save()
    with pytest.raises(ValidationError, match=f"{key} can't be the tool that starts the job"):
        starting(job=JOB | {key: "start"}).full_clean()


@pytest.mark.django_db
def test_a_job_stays_at_its_upstream():
    upstream = Upstream.objects.create(name="other", title="O", base_url="https://api.test")
    looking(upstream=upstream).save()
    stopping().save()
    with pytest.raises(ValidationError, match="status_tool: look goes to another upstream"):
        starting().full_clean()


@pytest.mark.django_db
@pytest.mark.parametrize("whose", ["start", "look"])
def test_an_argument_of_a_tools_own_isnt_taken_for_the_wait(whose, caplog):
    own = {"input_schema": OWN_WAIT, "path_template": "/runs/{run_id}"}
    start = starting(**PLAIN | (own if whose == "start" else {}))
    look, stop = looking(**own if whose == "look" else {}), stopping()
    look.save()
    stop.save()
    with pytest.raises(ValidationError, match=f"{whose} has an argument wait_seconds of its own"):
        start.full_clean()
    tools = compiled(start, look, stop)
    assert tools["start"].job is not None
    assert {name: tool.can_wait for name, tool in tools.items()} == {
        **{"start": True, "look": True, "stop": False},
        whose: False,
    }
    assert tools[whose].wire.input_schema == OWN_WAIT
    assert f"{whose} can't wait for a job" in caplog.text


@pytest.mark.django_db
def test_names_follow_tools_that_were_renamed_or_replaced():
    new = looking(name="newest")
    new.save()
    old = looking(name="newer", enabled=False, replaced_by=new)
    old.save()
    FormerName.objects.create(name="look", tool=old)
    stopping().save()
    starting().save()
    job = compiled(*Tool.objects.served())["start"].job
    assert job is not None
    assert (job.status_tool, job.cancel_tool) == ("newest", "stop")


@pytest.mark.django_db
def test_names_that_lead_in_a_circle_lead_nowhere(caplog):
    one, other = looking(name="look", enabled=False), looking(name="back", enabled=False)
    one.save()
    other.replaced_by = one
    other.save()
    Tool.objects.filter(pk=one.pk).update(replaced_by=other)
    stopping().save()
    starting().save()
    assert compiled(*Tool.objects.served())["start"].job is None


@pytest.mark.django_db
def test_several_jobs_may_have_one_status_tool():
    other = starting(name="begin", job=JOB | {"terminal": ["FINISHED"]})
    tools = compiled(starting(), other, looking(), stopping())
    assert [rule.terminal for rule in tools["look"].status_of] == [("FINISHED",), ("DONE", "LOST")]


# How it travels --------------------------------------------------------------------------------


@pytest.mark.django_db
def test_the_shipped_jobs_are_clean_and_kept_by_an_administrators_word():
    synchronize(read_definitions())
    tool = Tool.objects.get(name="wiv_start_execution")
    tool.full_clean()
    Tool.objects.get(name="wiv_generate_workflow").full_clean()
    tool.job = {}
    tool.override(["job"])
    tool.save()
    [kept] = [each for each in synchronize(read_definitions()) if each.action == "kept"]
    assert (kept.name, kept.fields) == ("wiv_start_execution", ("job",))


@pytest.mark.django_db
def test_a_job_comes_with_the_tools_that_it_names_in_one_file():
    tools = [definition(tool) for tool in (starting(), looking(), stopping())]
    rows = [{k: v for k, v in row.items() if k not in ORIGIN_FIELDS} for row in tools]
    found = plan({"tools": rows, "upstreams": [], "former_names": []})
    assert found.problems == []
    assert len(found.added) == 3
    rows[1]["read_only"] = False
    [problem] = plan({"tools": rows, "upstreams": [], "former_names": []}).problems
    assert str(problem) == "tool start: job: status_tool: look isn't marked read-only."


@pytest.mark.django_db
def test_a_former_name_in_the_same_file_is_good_for_a_job():
    tools = [definition(tool) for tool in (starting(), looking(name="see"), stopping())]
    rows = [{k: v for k, v in row.items() if k not in ORIGIN_FIELDS} for row in tools]
    former = [{"name": "look", "tool": "see", "note": ""}]
    assert plan({"tools": rows, "upstreams": [], "former_names": former}).problems == []
    odd = [{"name": "look", "tool": ["see"], "note": ""}]
    problems = plan({"tools": rows, "upstreams": [], "former_names": odd}).problems
    assert "tool start: job: status_tool: there is no tool look." in map(str, problems)


@pytest.mark.django_db
def test_going_back_brings_the_job_back_if_it_can_be():
    looking().save()
    stopping().save()
    start = starting()
    start.save()
    start.job = {}
    start.save()
    revert(ToolRevision.objects.filter(tool_name="start").latest("pk"))
    assert Tool.objects.get(name="start").job == JOB


@pytest.mark.django_db
def test_the_admins_form_takes_a_job_and_says_what_is_wrong_with_one():
    administrator = signed_in(is_superuser=True)
    looking().save()
    stopping().save()
    tool = starting(job={})
    tool.save()
    url = f"{CHANGELIST}{tool.pk}/change/"
    assert "Long job" in administrator.get(url).content.decode()
    post(administrator, url, form_data(tool, job=json.dumps(JOB)))
    tool.refresh_from_db()
    assert tool.job == JOB
    wrong = form_data(tool, job=json.dumps(JOB | {"status_tool": "gone"}))
    page = post(administrator, url, wrong).content.decode()
    assert "status_tool: there is no tool gone" in page
    page = post(administrator, url, form_data(tool, job="")).content.decode()
    assert "{} for a tool that starts no job" in page


# What it adds ----------------------------------------------------------------------------------


def test_a_status_stands_beside_the_answer_and_nothing_poses_as_one():
    rule = AnswerRule("start", max_bytes=1000)
    value = {"data": 1, STATUS: "forged", NOTES: ["forged"]}
    answer = rule.with_status(rule.apply(value, json.dumps(value), {}, ["Ours."]), {"ok": True})
    assert json.loads(answer.text) == {NOTES: ["Ours."], STATUS: {"ok": True}, "data": 1}
    assert answer.structured == json.loads(answer.text)
    assert list(json.loads(answer.text)) == [NOTES, STATUS, "data"]


def test_a_repetition_that_is_forgiven_is_forgotten_once():
    conduct = Conduct(lambda: Limits(0, 0, repeats=1), clock=lambda: 0.0)
    ask = ("me", "look", {"run_id": "r1"})
    for _ in range(20):
        assert isinstance(conduct.judge(*ask, writes=False), MayCall)
        conduct.forgive(*ask)
    told = [isinstance(conduct.judge(*ask, writes=False), MayCall) for _ in range(6)]
    assert told == [True] * 5 + [False]
    conduct.forgive("nobody", "look", {})
    conduct.forgive("me", "other", {})
