"""Released images, and who may release."""

import json

from tests.deploy.conftest import synthesize
from tests.deploy.policies import allowed

STACK = "wivmcp-registry"


def test_a_tag_means_one_image_for_ever(released):
    repository = released.only(STACK, "AWS::ECR::Repository")
    assert repository["ImageTagMutability"] == "IMMUTABLE"
    assert repository["ImageScanningConfiguration"] == {"ScanOnPush": True}


def test_one_environment_of_one_github_repository_may_release(released):
    role = released.only(STACK, "AWS::IAM::Role")
    [statement] = role["AssumeRolePolicyDocument"]["Statement"]
    assert statement["Action"] == "sts:AssumeRoleWithWebIdentity"
    assert statement["Condition"] == {
        "StringEquals": {
            "token.actions.githubusercontent.com:aud": "sts.amazonaws.com",
            "token.actions.githubusercontent.com:sub": "repo:acme/wivmcp:environment:production",
        }
    }


def test_a_release_may_push_run_the_tasks_and_ask_the_cdks_roles(released):
    actions, resources = allowed(released, STACK, "Release")
    assert {action for action in actions if not action.startswith("ecr:")} == {
        "sts:AssumeRole",
        "cloudformation:DescribeStacks",
        "ecs:RunTask",
        "ecs:DescribeTasks",
        "iam:PassRole",
    }
    assert {"ecr:PutImage", "ecr:DescribeRepositories"} <= actions
    assert not {"ecr:*", "ecr:DeleteRepository", "ecr:BatchDeleteImage"} & actions
    # GetAuthorizationToken knows no resource.
    assert [each for each in resources if each == '"*"'] == ['"*"']


def test_roles_are_passed_to_tasks_only(released):
    [policy] = released.resources(STACK, "AWS::IAM::Policy")
    [passing] = [
        each for each in policy["PolicyDocument"]["Statement"] if each["Action"] == "iam:PassRole"
    ]
    assert passing["Condition"] == {
        "StringEquals": {"iam:PassedToService": "ecs-tasks.amazonaws.com"}
    }
    assert ":role/wivmcp-tasks-*" in json.dumps(passing["Resource"])


def test_without_a_repository_nobody_outside_may_release(tmp_path):
    stacks = synthesize(tmp_path, github_repository="", image_tag="v1")
    assert not stacks.resources(STACK, "AWS::IAM::Role")
    assert not stacks.resources(STACK, "AWS::IAM::OIDCProvider")
