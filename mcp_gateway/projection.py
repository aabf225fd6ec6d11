"""What of an answer is kept? JMESPath, bounded, because an expression is a small program.

The language has no loops, but `[@,@] | [@,@] | ...` doubles an answer with each step, and
`join`, `to_string` and `[]` make a copy of what they are given. So each step is paid for from a
budget, a function before it runs and by the size of its arguments, and so is the result.
"""

from collections.abc import Iterable
from typing import Any

from jmespath import ast, functions
from jmespath.exceptions import JMESPathError
from jmespath.parser import Parser
from jmespath.visitor import Options, TreeInterpreter
from pydantic_core import to_json

MAX_EXPRESSION_LENGTH = 2000
# Steps of one evaluation: three for each field that is kept of a row, so 5,000 rows of 30 fields
# fit, which is what WIV_MAX_RESPONSE_BYTES lets in. All of them take about half a second.
MAX_STEPS = 500_000
# Characters of text that cost as much as a step.
CHARACTERS_A_STEP = 64
# These look at the outside of their arguments only.
SHALLOW = frozenset(
    (
        *("keys", "length", "map", "max_by", "merge", "min_by", "not_null", "sort_by"),
        *("to_array", "type", "values"),
    )
)


class UnusableProjection(ValueError):
    """An expression that can't be served. The message is for the person who edits the tool."""


class ProjectionFailed(Exception):
    """An expression that gave no result for one answer. The message holds nothing of the answer."""


class Projection:
    """One compiled expression. Raises UnusableProjection."""

    def __init__(self, expression: str) -> None:
        if len(expression) > MAX_EXPRESSION_LENGTH:
            raise UnusableProjection(f"Use at most {MAX_EXPRESSION_LENGTH} characters.")
        try:
            self._tree = Parser().parse(expression).parsed
            refuse_unknown_functions(self._tree)
        except RecursionError as error:
            raise UnusableProjection("This is nested too deeply.") from error
        except JMESPathError as error:
            summary = str(error).splitlines()[0]
            raise UnusableProjection(f"Not a JMESPath expression: {summary}") from error

    def apply(self, value: Any) -> Any:
        """Raises ProjectionFailed, also when nothing of an answer that has something is left."""
        result = self._evaluate(value)
        if result is None and value is not None:
            raise ProjectionFailed("nothing is left")
        return result

    def is_true_of(self, value: Any) -> bool:
        """As JMESPath has it: not for null, false, and empty text, lists and objects.

        Raises ProjectionFailed.
        """
        result = self._evaluate(value)
        return result is not None and result is not False and result not in ("", [], {})

    def _evaluate(self, value: Any) -> Any:
        budget = Budget(MAX_STEPS)
        try:
            result = Interpreter(budget).visit(self._tree, value)
            budget.spend_on(result)
            to_json(result, inf_nan_mode="null")  # which refuses what is nested too deeply
        except RecursionError as error:
            raise ProjectionFailed("too deep") from error
        except (JMESPathError, ArithmeticError, AttributeError, TypeError, ValueError) as error:
            raise ProjectionFailed(type(error).__name__) from error
        return result


def refuse_unknown_functions(node: Any) -> None:
    """The library finds them only when they are called."""
    if node["type"] == "function_expression":
        spec = functions.Functions.FUNCTION_TABLE.get(node["value"])
        if spec is None:
            raise UnusableProjection(f"There is no function {node['value']}().")
    for child in node["children"]:
        if isinstance(child, dict):
            refuse_unknown_functions(child)


class Budget:
    """What an evaluation may still cost. Raises ProjectionFailed when it's used up."""

    def __init__(self, steps: int) -> None:
        self._steps = steps

    def spend(self, steps: int) -> None:
        self._steps -= steps
        if self._steps < 0:
            raise ProjectionFailed("too much work")

    def spend_on(self, value: Any) -> None:
        """For all of it, and a part once for each place where it stands."""
        waiting = [value]
        while waiting:
            value = waiting.pop()
            if isinstance(value, dict):
                waiting.extend(value.values())
            elif isinstance(value, list):
                waiting.extend(value)
            self.spend(cost(value) if isinstance(value, str) else 1)


def cost(value: Any) -> int:
    """Of one copy that leaves the insides where they are."""
    if isinstance(value, str):
        return 1 + len(value) // CHARACTERS_A_STEP
    return 1 + (len(value) if isinstance(value, dict | list) else 0)


class BoundedFunctions(functions.Functions):
    def __init__(self, budget: Budget) -> None:
        self._budget = budget

    def call_function(self, function_name: str, resolved_args: Iterable[Any]) -> Any:
        arguments = list(resolved_args)
        for argument in arguments:
            self._spend_on(function_name, argument)
        if function_name == "join" and len(arguments) == 2:
            separator, parts = arguments
            self._budget.spend(cost(separator) * cost(parts))
        return super().call_function(function_name, arguments)

    def _spend_on(self, function_name: str, argument: Any) -> None:
        if function_name in SHALLOW:
            self._budget.spend(cost(argument))
        else:
            self._budget.spend_on(argument)


class Interpreter(TreeInterpreter):
    """The library's, with a price on each step."""

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        super().__init__(Options(custom_functions=BoundedFunctions(budget)))

    def visit(self, node: Any, *args: Any, **kwargs: Any) -> Any:
        self._budget.spend(1)
        result = super().visit(node, *args, **kwargs)
        if isinstance(result, str):
            self._budget.spend(len(result) // CHARACTERS_A_STEP)
        return result

    def visit_comparator(self, node: Any, value: Any) -> Any:
        """`==` goes through both of its sides."""
        sides = [self.visit(child, value) for child in node["children"]]
        for side in sides:
            self._budget.spend_on(side)
        node = node | {"children": [ast.literal(side) for side in sides]}
        return super().visit_comparator(node, value)

    def visit_flatten(self, node: Any, value: Any) -> Any:
        base = self.visit(node["children"][0], value)
        for part in base if isinstance(base, list) else ():
            self._budget.spend(cost(part))
        return super().visit_flatten(node | {"children": [ast.literal(base)]}, value)

    def visit_slice(self, node: Any, value: Any) -> Any:
        self._budget.spend(cost(value))
        return super().visit_slice(node, value)
