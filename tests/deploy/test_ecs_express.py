"""The service on ECS Express Mode, for accounts without App Runner."""

from tests.deploy.policies import allowed

STACK = "wivmcp-ecs-express"
SERVICE = "AWS::ECS::ExpressGatewayService"


def test_it_is_one_vcpu_and_two_gb_on_port_8080(released):
    released.template(STACK).has_resource_properties(
        SERVICE,
        {
            "Cpu": "1024",
            "Memory": "2048",
            "HealthCheckPath": "/healthz",
            "PrimaryContainer": {"ContainerPort": 8080},
            "ScalingTarget": {"MinTaskCount": 2, "MaxTaskCount": 4},
        },
    )


def test_its_balancer_is_public(released):
    subnets = released.only(STACK, SERVICE)["NetworkConfiguration"]["Subnets"]
    assert len(subnets) == 2
    assert all("VpcpublicSubnet" in each["Fn::ImportValue"] for each in subnets)


def test_its_containers_are_reached_from_within_the_vpc_alone(released):
    ingress = released.only(STACK, "AWS::EC2::SecurityGroupIngress")
    assert "CidrBlock" in ingress["CidrIp"]["Fn::ImportValue"]
    assert (ingress["FromPort"], ingress["ToPort"]) == (8080, 8080)
    [group] = released.only(STACK, SERVICE)["NetworkConfiguration"]["SecurityGroups"]
    assert group == ingress["GroupId"]


def test_the_container_has_no_permission_at_all(released):
    assert allowed(released, STACK, "Task") == (set(), set())


def test_what_starts_it_may_pull_log_and_read_its_secrets(released):
    actions, resources = allowed(released, STACK, "Execution")
    assert {action.split(":")[0] for action in actions} == {"ecr", "logs", "secretsmanager"}
    assert "secretsmanager:PutSecretValue" not in actions
    assert "ecr:PutImage" not in actions
    assert not [each for each in resources if "FirstAdmin" in each]


def test_streams_live_longer_than_on_app_runner(released):
    environment = released.only(STACK, SERVICE)["PrimaryContainer"]["Environment"]
    assert {"Name": "SSE_STREAM_LIFETIME", "Value": "3600"} in environment
