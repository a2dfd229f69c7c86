# A queue for approvals, and a state machine that waits for them by SQS. The second half is
# ../countersign-role/: what Countersign needs to read this queue and to answer.

terraform {
  required_version = ">= 1.5"
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.0"
    }
  }
}

variable "gate" {
  type        = string
  default     = "refunds"
  description = "The slug of the gate in Countersign."
}

variable "name" {
  type        = string
  description = "What the state machine and what belongs to it are called."
}

data "aws_caller_identity" "current" {}

data "aws_iam_policy_document" "states_trust" {
  statement {
    actions = ["sts:AssumeRole"]
    principals {
      type        = "Service"
      identifiers = ["states.amazonaws.com"]
    }
    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [data.aws_caller_identity.current.account_id]
    }
  }
}

resource "aws_iam_role" "state_machine" {
  name_prefix        = "${var.name}-"
  assume_role_policy = data.aws_iam_policy_document.states_trust.json
}

variable "status_events" {
  type        = bool
  default     = true
  description = "Whether an execution that ends otherwise takes its tasks out of the inbox at once."
}

resource "aws_sqs_queue" "undelivered" {
  name                      = "${var.name}-approvals-undelivered"
  sqs_managed_sse_enabled   = true
  message_retention_seconds = 1209600
}

resource "aws_sqs_queue" "approvals" {
  name                       = "${var.name}-approvals"
  sqs_managed_sse_enabled    = true
  visibility_timeout_seconds = 30
  message_retention_seconds  = 345600 # four days: how long Countersign may be away

  # High: only what can't be stored for a long time ends there. What can't be understood is in
  # Countersign's own quarantine.
  redrive_policy = jsonencode({
    deadLetterTargetArn = aws_sqs_queue.undelivered.arn
    maxReceiveCount     = 100
  })
}

data "aws_iam_policy_document" "queue" {
  statement {
    sid       = "OnlyWithTLS"
    effect    = "Deny"
    actions   = ["sqs:*"]
    resources = [aws_sqs_queue.approvals.arn]
    principals {
      type        = "*"
      identifiers = ["*"]
    }
    condition {
      test     = "Bool"
      variable = "aws:SecureTransport"
      values   = ["false"]
    }
  }

  dynamic "statement" {
    for_each = aws_cloudwatch_event_rule.execution_ended[*].arn
    content {
      sid       = "StatusEvents"
      actions   = ["sqs:SendMessage"]
      resources = [aws_sqs_queue.approvals.arn]
      principals {
        type        = "Service"
        identifiers = ["events.amazonaws.com"]
      }
      condition {
        test     = "ArnEquals"
        variable = "aws:SourceArn"
        values   = [statement.value]
      }
    }
  }
}

resource "aws_sqs_queue_policy" "approvals" {
  queue_url = aws_sqs_queue.approvals.url
  policy    = data.aws_iam_policy_document.queue.json
}

# Events of one execution as a whole. That one state timed out and was caught does not show here;
# heartbeats find that.
resource "aws_cloudwatch_event_rule" "execution_ended" {
  count       = var.status_events ? 1 : 0
  name_prefix = "${var.name}-ended-"
  event_pattern = jsonencode({
    source      = ["aws.states"]
    detail-type = ["Step Functions Execution Status Change"]
    detail = {
      stateMachineArn = [aws_sfn_state_machine.approve.arn]
      status          = ["SUCCEEDED", "FAILED", "TIMED_OUT", "ABORTED"]
    }
  })
}

resource "aws_cloudwatch_event_target" "countersign" {
  count = var.status_events ? 1 : 0
  rule  = aws_cloudwatch_event_rule.execution_ended[0].name
  arn   = aws_sqs_queue.approvals.arn
}

data "aws_iam_policy_document" "send" {
  statement {
    actions   = ["sqs:SendMessage"]
    resources = [aws_sqs_queue.approvals.arn]
  }
}

resource "aws_iam_role_policy" "send" {
  name_prefix = "send-to-the-queue-"
  role        = aws_iam_role.state_machine.id
  policy      = data.aws_iam_policy_document.send.json
}

resource "aws_sfn_state_machine" "approve" {
  name     = var.name
  role_arn = aws_iam_role.state_machine.arn
  # approve-refund-jsonata.asl.json takes the same two names.
  definition = templatefile("${path.module}/approve-refund.asl.json", {
    QueueUrl = aws_sqs_queue.approvals.url
    Gate     = var.gate
  })
}

output "queue_url" {
  value       = aws_sqs_queue.approvals.url
  description = "The queue address of the source in Countersign."
}

output "queue_arn" {
  value       = aws_sqs_queue.approvals.arn
  description = "For queue_arn of ../countersign-role/."
}

output "state_machine_arn" {
  value = aws_sfn_state_machine.approve.arn
}
