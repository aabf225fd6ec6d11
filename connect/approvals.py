"""A call that waits for its user: what it would do, and their yes or no.

The link says which call, and nothing more: whose it is decides who sees it.
"""

from dataclasses import dataclass
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from connect.visitors import Person, find_person
from mcp_gateway.approvals import desk
from mcp_gateway.approvals.changes import Argument, described
from mcp_gateway.approvals.models import Approval, ApprovalQuerySet, WaitingCall
from oauth_bridge.credentials import SecretUnreadable
from oauth_bridge.models import User
from oauth_bridge.views import problem_page


@dataclass(frozen=True, slots=True)
class ShownCall:
    """`arguments` say what becomes of the object as it is now, where that is known."""

    call: WaitingCall
    arguments: list[Argument]

    @property
    def has_changes(self) -> bool:
        return self.call.before is not None


def pending_of(user: User) -> ApprovalQuerySet:
    """Calls that wait for this person, the oldest first."""
    mine = Approval.objects.pending().filter(subject=user.username)
    return mine.order_by("created_at")


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def approval(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Looking changes nothing; POST decides."""
    return decide(request, pk) if request.method == "POST" else show(request, pk)


def show(request: HttpRequest, pk: UUID) -> HttpResponse:
    person = find_person(request)
    if person is None:
        return render(request, "connect/approval_sign_in.html", {"here": request.path})
    asked = Approval.objects.filter(pk=pk, subject=person.user.username).first()
    if asked is None:
        return not_yours(request, person)
    organization = person.find_organization(asked.organization_id)
    return render(
        request,
        "connect/approval.html",
        {
            "person": person,
            "approval": asked,
            "organization": organization.name if organization else asked.organization_id,
            "shown": shown(asked),
            "state": asked.state.value,
            "others": pending_of(person.user).exclude(pk=pk).count(),
        },
    )


def decide(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Once. Whoever comes too late sees on the page what was decided before."""
    person = find_person(request)
    if person is not None:
        user, decision = person.user, request.POST.get("decision")
        if decision == "approve" and may_approve(pk, user):
            desk.approve(pk, user.username, user.email)
        elif decision == "reject":
            desk.reject(pk, user.username, user.email)
    return redirect("connect:approval", pk=pk)


def may_approve(pk: UUID, user: User) -> bool:
    """Not somebody who was shut out here since they signed in, nor what they couldn't have read."""
    asked = Approval.objects.filter(pk=pk, subject=user.username).first()
    if asked is None or not user.may_use(asked.organization_id):
        return False
    return shown(asked) is not None


def shown(asked: Approval) -> ShownCall | None:
    """None where it has gone, or can't be decrypted."""
    try:
        call = asked.call
    except SecretUnreadable:
        return None
    if call is None:
        return None
    return ShownCall(call, described(call.arguments, call.before))


def not_yours(request: HttpRequest, person: Person) -> HttpResponse:
    return problem_page(
        request,
        "There is nothing to decide here",
        f"No call of {person.user.email} waits at this address. If it is another account's, sign "
        "out and open the link again.",
        reason="approval: unknown, or another person's",
        status=404,
    )
