"""What runs beside the service: the release step, and due work by the clock."""

import json

from tests.deploy.policies import allowed

STACK = "wivmcp-tasks"


def test_the_release_step_is_what_the_task_does(released):
    task = released.only(STACK, "AWS::ECS::TaskDefinition")
    [container] = task["ContainerDefinitions"]
    assert container["Command"] == ["script/release"]
    assert container["ReadonlyRootFilesystem"] is True
    assert task["RuntimePlatform"]["CpuArchitecture"] == "X86_64"


def test_due_work_is_done_every_few_minutes(released):
    rule = released.only(STACK, "AWS::Events::Rule")
    assert rule["ScheduleExpression"] == "rate(10 minutes)"
    [target] = rule["Targets"]
    [override] = json.loads(target["Input"])["containerOverrides"]
    assert override["command"] == ["python", "manage.py", "run_due"]
    network = target["EcsParameters"]["NetworkConfiguration"]["AwsVpcConfiguration"]
    assert network["AssignPublicIp"] == "DISABLED"
    assert all("Vpcserver" in each["Fn::ImportValue"] for each in network["Subnets"])


def test_a_task_has_no_permission_itself(released):
    assert allowed(released, STACK, "TaskTaskRole") == (set(), set())


def test_the_outputs_are_what_the_aws_command_takes(released):
    outputs = released.templates[STACK]["Outputs"]
    parts = json.dumps(outputs["Network"]["Value"])
    assert "awsvpcConfiguration={subnets=[" in parts
    assert "],securityGroups=[" in parts
    assert outputs["TaskDefinition"]["Value"]["Ref"].startswith("Task")
