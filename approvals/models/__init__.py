"""What is stored, one noun a file, in the order of the flow."""

from approvals.models.approval_task import ApprovalTask
from approvals.models.audit_event import AuditEvent
from approvals.models.calendar import Calendar
from approvals.models.callback import Attempt, Callback
from approvals.models.connection import Connection
from approvals.models.decision import Decision
from approvals.models.definition_lookup import DefinitionLookup
from approvals.models.ended_execution import EndedExecution
from approvals.models.gate import Gate
from approvals.models.heartbeat import Heartbeat
from approvals.models.notice import Link, Mail, Notice, Occasion
from approvals.models.outside_job import JobKey, OutsideJob
from approvals.models.place import Place
from approvals.models.quarantine import QuarantinedMessage
from approvals.models.question import Question
from approvals.models.review_rule import ReviewRule
from approvals.models.source import Source
from approvals.models.source_key import SourceKey
from approvals.models.stage import Stage
from approvals.models.timer import Timer
from approvals.models.user import User

__all__ = [
    "ApprovalTask",
    "Attempt",
    "AuditEvent",
    "Calendar",
    "Callback",
    "Connection",
    "Decision",
    "DefinitionLookup",
    "EndedExecution",
    "Gate",
    "Heartbeat",
    "JobKey",
    "Link",
    "Mail",
    "Notice",
    "Occasion",
    "OutsideJob",
    "Place",
    "QuarantinedMessage",
    "Question",
    "ReviewRule",
    "Source",
    "SourceKey",
    "Stage",
    "Timer",
    "User",
]
