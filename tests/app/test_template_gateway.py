"""What stands before the functions: routes, the authorizer and the gateway's own answers."""

import json

from chalicelib.api.scopes import CONSOLE
from ops.refusals import functions_of
from tests.app.packaged import Json, swagger_of

OPEN_ROUTES = {"/v1/health", "/v1/openapi.json", "/u/{token}"}
PAGES = {path for _, path in CONSOLE}  # behind a cookie of their own


def test_gateway_errors_are_problem_documents(template: Json) -> None:
    """What the gateway answers itself has the media type and the members of RFC 9457."""
    responses = swagger_of(template)["x-amazon-apigateway-gateway-responses"]
    statuses = {
        "UNAUTHORIZED": 401,
        "ACCESS_DENIED": 403,
        "MISSING_AUTHENTICATION_TOKEN": 404,  # this is how the gateway says: no such route
        "INVALID_SIGNATURE": 404,  # and this, to an Authorization header that is no AWS signature
        "RESOURCE_NOT_FOUND": 404,
        "REQUEST_TOO_LARGE": 413,
        "UNSUPPORTED_MEDIA_TYPE": 415,
        "THROTTLED": 429,
        "AUTHORIZER_FAILURE": 500,
        "AUTHORIZER_CONFIGURATION_ERROR": 500,
        "API_CONFIGURATION_ERROR": 500,
        "INTEGRATION_FAILURE": 504,
        "INTEGRATION_TIMEOUT": 504,
        "DEFAULT_4XX": None,
        "DEFAULT_5XX": None,
    }

    assert set(responses) == set(statuses)
    for kind, response in responses.items():
        headers = response["responseParameters"]
        assert headers["gatewayresponse.header.Content-Type"] == "'application/problem+json'", kind
        text = response["responseTemplates"]["application/json"]
        problem = json.loads(text.replace("$context.error.messageString", '"said"'))
        assert set(problem) >= {"type", "title", "detail"}, kind
        assert problem.get("status") == statuses[kind], kind
        assert response.get("statusCode") == (statuses[kind] and str(statuses[kind])), kind
    assert (
        "gatewayresponse.header.WWW-Authenticate" in responses["UNAUTHORIZED"]["responseParameters"]
    )


def test_no_client_error_repeats_the_request(template: Json) -> None:
    """The gateway's own words for an unreadable Authorization header quote it, key and all."""
    responses = swagger_of(template)["x-amazon-apigateway-gateway-responses"]
    spoken = {
        kind
        for kind, response in responses.items()
        if "messageString" in response["responseTemplates"]["application/json"]
        and response.get("statusCode", "400").startswith("4")
        and kind != "DEFAULT_5XX"
    }

    assert spoken == {"REQUEST_TOO_LARGE", "UNSUPPORTED_MEDIA_TYPE", "THROTTLED"}


def test_only_three_routes_are_open(template: Json) -> None:
    """Every route but these and the console's stands behind the bearer authorizer."""
    open_routes = {
        path
        for path, methods in swagger_of(template)["paths"].items()
        for verb, method in methods.items()
        if verb != "options" and method.get("security") != [{"bearer": []}]
    }
    (name,) = swagger_of(template)["securityDefinitions"]
    authorizer = swagger_of(template)["securityDefinitions"][name]

    assert open_routes == OPEN_ROUTES | PAGES
    assert authorizer["name"] == "Authorization"
    assert authorizer["x-amazon-apigateway-authorizer"]["authorizerResultTtlInSeconds"] == 60


def test_no_function_refers_to_its_own_api(template: Json) -> None:
    """The public URL is a parameter: a reference would be a circular dependency."""
    variables = template["Globals"]["Function"]["Environment"]["Variables"]

    assert variables["SEGUE_PUBLIC_URL"] == {"Ref": "PublicUrl"}
    assert "RestAPI" not in json.dumps(variables)
    own = {name: one["Environment"] for name, one in functions_of(template).items()
           if one.get("Environment")}  # fmt: skip
    assert own == {
        "OnDrop": {"Variables": {"SEGUE_DIVIDED_DROPS_MACHINE": {"Ref": "DividedDrops"}}}
    }


def test_outputs_tell_what_functions_are_told(template: Json) -> None:
    """Commands find the same tables as functions do: each reference is an output as well."""
    variables = template["Globals"]["Function"]["Environment"]["Variables"]
    referred = {value["Ref"] for value in variables.values() if isinstance(value, dict)}

    for name in referred:
        assert template["Outputs"][name]["Value"] == {"Ref": name}, name
