"""The service on App Runner: what it runs, what it may, and where its requests go."""

from aws_cdk.assertions import Match

from tests.deploy.policies import allowed

STACK = "wivmcp-app-runner"


def test_it_is_one_vcpu_and_two_gb_on_port_8080(released):
    released.template(STACK).has_resource_properties(
        "AWS::AppRunner::Service",
        {
            "InstanceConfiguration": {"Cpu": "1 vCPU", "Memory": "2 GB"},
            "SourceConfiguration": {
                "ImageRepository": {
                    "ImageConfiguration": {"Port": "8080"},
                    "ImageRepositoryType": "ECR",
                }
            },
        },
    )


def test_a_pushed_image_deploys_nothing_by_itself(released):
    service = released.only(STACK, "AWS::AppRunner::Service")
    assert service["SourceConfiguration"]["AutoDeploymentsEnabled"] is False


def test_its_health_is_asked_by_http_where_a_missing_database_replaces_no_copy(released):
    check = released.only(STACK, "AWS::AppRunner::Service")["HealthCheckConfiguration"]
    assert (check["Protocol"], check["Path"]) == ("HTTP", "/healthz")
    assert check["Timeout"] < check["Interval"] <= 20


def test_all_egress_goes_through_subnets_with_nat(released):
    released.template(STACK).has_resource_properties(
        "AWS::AppRunner::Service",
        {
            "NetworkConfiguration": {
                "EgressConfiguration": {
                    "EgressType": "VPC",
                    "VpcConnectorArn": {"Fn::GetAtt": ["Connector", "VpcConnectorArn"]},
                }
            }
        },
    )
    connector = released.only(STACK, "AWS::AppRunner::VpcConnector")
    names = [each["Fn::ImportValue"] for each in connector["Subnets"]]
    assert len(names) == 2
    assert all("VpcserverSubnet" in name for name in names)
    [group] = connector["SecurityGroups"]
    assert "NetworkServer" in group["Fn::ImportValue"]


def test_its_copies_are_as_many_as_the_parameters_say(released):
    released.template(STACK).has_resource_properties(
        "AWS::AppRunner::AutoScalingConfiguration", {"MinSize": 2, "MaxSize": 4}
    )


def test_the_container_may_read_its_own_secrets_and_nothing_else(released):
    actions, resources = allowed(released, STACK, "Instance")
    assert actions == {"secretsmanager:GetSecretValue", "secretsmanager:DescribeSecret"}
    assert len(resources) == 3
    assert not [each for each in resources if "FirstAdmin" in each or "*" in each]


def test_only_app_runner_pulls_and_only_this_repository(released):
    actions, resources = allowed(released, STACK, "Pull")
    assert {action.split(":")[0] for action in actions} == {"ecr"}
    assert not actions & {"ecr:PutImage", "ecr:*"}
    # GetAuthorizationToken knows no resource.
    assert len(resources - {'"*"'}) == 1
    released.template(STACK).has_resource_properties(
        "AWS::IAM::Role",
        {
            "AssumeRolePolicyDocument": {
                "Statement": [
                    Match.object_like({"Principal": {"Service": "build.apprunner.amazonaws.com"}})
                ]
            }
        },
    )


def test_streams_end_before_app_runner_cuts_them(released):
    """By the setting's default, 110 s."""
    image = released.only(STACK, "AWS::AppRunner::Service")["SourceConfiguration"]
    variables = image["ImageRepository"]["ImageConfiguration"]["RuntimeEnvironmentVariables"]
    assert "SSE_STREAM_LIFETIME" not in {each["Name"] for each in variables}
