"""What both services share: who can reach whom, and what survives a mistake."""

import json

STACK = "wivmcp-foundation"


def test_postgresql_takes_connections_from_wivmcp_alone(released):
    ingress = released.only(STACK, "AWS::EC2::SecurityGroupIngress")
    assert "NetworkDatabase" in json.dumps(ingress["GroupId"])
    assert "NetworkServer" in json.dumps(ingress["SourceSecurityGroupId"])
    assert (ingress["FromPort"], ingress["ToPort"]) == (5432, 5432)
    [group] = released.only(STACK, "AWS::RDS::DBInstance")["VPCSecurityGroups"]
    assert group == ingress["GroupId"]


def test_no_security_group_lets_the_internet_in(released):
    for stack in released.templates:
        for group in released.resources(stack, "AWS::EC2::SecurityGroup"):
            assert "SecurityGroupIngress" not in group
        for rule in released.resources(stack, "AWS::EC2::SecurityGroupIngress"):
            assert "0.0.0.0/0" not in json.dumps(rule)
            assert "::/0" not in json.dumps(rule)


def test_wivmcp_sends_https_and_sql_and_nothing_else(released):
    groups = released.resources(STACK, "AWS::EC2::SecurityGroup")
    [server] = [each for each in groups if each["GroupDescription"].startswith("wivmcp")]
    [https] = server["SecurityGroupEgress"]
    assert (https["IpProtocol"], https["FromPort"], https["ToPort"]) == ("tcp", 443, 443)
    sql = released.only(STACK, "AWS::EC2::SecurityGroupEgress")
    assert (sql["IpProtocol"], sql["FromPort"], sql["ToPort"]) == ("tcp", 5432, 5432)


def test_the_servers_subnets_have_nat_and_the_databases_have_no_way_out(released):
    template = released.templates[STACK]["Resources"]
    routes = [
        (name, each["Properties"])
        for name, each in template.items()
        if each["Type"] == "AWS::EC2::Route"
    ]
    server = [route for name, route in routes if "Vpcserver" in name]
    assert len(server) == 2
    assert all("NatGatewayId" in route for route in server)
    assert not [name for name, _ in routes if "Vpcdatabase" in name]
    group = released.only(STACK, "AWS::RDS::DBSubnetGroup")
    assert all("Vpcdatabase" in json.dumps(each) for each in group["SubnetIds"])


def test_the_database_is_private_encrypted_and_backed_up(released):
    database = released.only(STACK, "AWS::RDS::DBInstance")
    assert database["Engine"] == "postgres"
    assert database["PubliclyAccessible"] is False
    assert database["StorageEncrypted"] is True
    assert database["BackupRetentionPeriod"] == 14
    assert database["MultiAZ"] is True
    assert database["DeletionProtection"] is True
    assert database["DeleteAutomatedBackups"] is False


def test_what_cannot_be_made_anew_outlives_the_stack(released):
    resources = released.templates[STACK]["Resources"].values()
    policies = {each["Type"]: each.get("DeletionPolicy") for each in resources}
    assert policies["AWS::RDS::DBInstance"] == "Snapshot"
    ours = [
        each
        for each in resources
        if each["Type"] == "AWS::SecretsManager::Secret" and "Name" in each["Properties"]
    ]
    assert {each["Properties"]["Name"] for each in ours} == {
        "wivmcp/settings",
        "wivmcp/secret-key",
        "wivmcp/first-admin",
    }
    assert all(each["DeletionPolicy"] == "Retain" for each in ours)
    manifest = json.loads((released.folder / "manifest.json").read_text())
    assert manifest["artifacts"][STACK]["properties"]["terminationProtection"] is True


def test_a_release_changes_nothing_of_it(released, built):
    assert released.templates[STACK] == built.templates[STACK]


def test_postgresql_allows_as_many_connections_as_a_deployment_needs(released, parameters):
    allowed = released.only(STACK, "AWS::RDS::DBParameterGroup")["Parameters"]
    assert int(allowed["max_connections"]) >= parameters().connections_at_most
    assert allowed["rds.force_ssl"] == "1"
