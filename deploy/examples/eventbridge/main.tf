# Approvals by EventBridge; a rule hands them to a webhook of Countersign.
# Before: make the source in Countersign and a key for it. After: ../countersign-role/.

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
  default     = "deployments"
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

variable "countersign_url" {
  type        = string
  description = "The address of the source in Countersign."
}

variable "auth" {
  type        = string
  default     = "oauth"
  description = "What the source in Countersign asks for."
  validation {
    condition     = contains(["basic", "api-key", "oauth"], var.auth)
    error_message = "One of basic, api-key, oauth."
  }
}

variable "header_name" {
  type        = string
  default     = "X-API-Key"
  description = "For api-key, the header that the source names."
}

variable "key_id" {
  type        = string
  description = "The id of the source's key: Basic's user name, OAuth's client id."
}

variable "key_secret" {
  type        = string
  sensitive   = true # but it is in the state: keep the state where secrets are kept
  description = "The secret of the source's key."
}

variable "event_source" {
  type        = string
  description = "What the state machine names as the source of its events."
}

resource "aws_cloudwatch_event_bus" "approvals" {
  name = "${var.name}-approvals"
}

resource "aws_cloudwatch_event_connection" "countersign" {
  name = "${var.name}-countersign"
  authorization_type = {
    "basic"   = "BASIC"
    "api-key" = "API_KEY"
    "oauth"   = "OAUTH_CLIENT_CREDENTIALS"
  }[var.auth]

  auth_parameters {
    dynamic "basic" {
      for_each = var.auth == "basic" ? [1] : []
      content {
        username = var.key_id
        password = var.key_secret
      }
    }

    dynamic "api_key" {
      for_each = var.auth == "api-key" ? [1] : []
      content {
        key   = var.header_name
        value = var.key_secret
      }
    }

    dynamic "oauth" {
      for_each = var.auth == "oauth" ? [1] : []
      content {
        authorization_endpoint = "${split("/in/", var.countersign_url)[0]}/oauth/token"
        http_method            = "POST"
        client_parameters {
          client_id     = var.key_id
          client_secret = var.key_secret
        }
        oauth_http_parameters {
          body {
            key             = "grant_type"
            value           = "client_credentials"
            is_value_secret = false
          }
        }
      }
    }
  }
}

resource "aws_cloudwatch_event_api_destination" "countersign" {
  name                             = "${var.name}-countersign"
  connection_arn                   = aws_cloudwatch_event_connection.countersign.arn
  http_method                      = "POST"
  invocation_endpoint              = var.countersign_url
  invocation_rate_limit_per_second = 50
}

resource "aws_sqs_queue" "undelivered" {
  name                      = "${var.name}-approvals-undelivered"
  sqs_managed_sse_enabled   = true
  message_retention_seconds = 1209600
}

data "aws_iam_policy_document" "undelivered" {
  statement {
    actions   = ["sqs:SendMessage"]
    resources = [aws_sqs_queue.undelivered.arn]
    principals {
      type        = "Service"
      identifiers = ["events.amazonaws.com"]
    }
    condition {
      test     = "ArnEquals"
      variable = "aws:SourceArn"
      values = [
        aws_cloudwatch_event_rule.requested.arn,
        aws_cloudwatch_event_rule.execution_ended.arn,
      ]
    }
  }
}

resource "aws_sqs_queue_policy" "undelivered" {
  queue_url = aws_sqs_queue.undelivered.url
  policy    = data.aws_iam_policy_document.undelivered.json
}

resource "aws_cloudwatch_event_rule" "requested" {
  name_prefix    = "${var.name}-requested-"
  event_bus_name = aws_cloudwatch_event_bus.approvals.name
  event_pattern = jsonencode({
    source      = [var.event_source]
    detail-type = ["Approval requested"]
  })
}

resource "aws_cloudwatch_event_target" "requested" {
  rule           = aws_cloudwatch_event_rule.requested.name
  event_bus_name = aws_cloudwatch_event_bus.approvals.name
  arn            = aws_cloudwatch_event_api_destination.countersign.arn
  role_arn       = aws_iam_role.rule.arn

  retry_policy {
    maximum_retry_attempts       = 185
    maximum_event_age_in_seconds = 14400 # as long as the step waits
  }

  dead_letter_config {
    arn = aws_sqs_queue.undelivered.arn
  }
}

# On the default bus, where AWS puts them. An execution that ends otherwise takes its tasks out of
# the inbox at once. That one state timed out and was caught does not show; heartbeats find that.
resource "aws_cloudwatch_event_rule" "execution_ended" {
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

resource "aws_cloudwatch_event_target" "execution_ended" {
  rule     = aws_cloudwatch_event_rule.execution_ended.name
  arn      = aws_cloudwatch_event_api_destination.countersign.arn
  role_arn = aws_iam_role.rule.arn

  dead_letter_config {
    arn = aws_sqs_queue.undelivered.arn
  }
}

data "aws_iam_policy_document" "events_trust" {
  statement {
    actions = ["sts:AssumeRole"]
    principals {
      type        = "Service"
      identifiers = ["events.amazonaws.com"]
    }
    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [data.aws_caller_identity.current.account_id]
    }
  }
}

resource "aws_iam_role" "rule" {
  name_prefix        = "${var.name}-rule-"
  assume_role_policy = data.aws_iam_policy_document.events_trust.json
}

data "aws_iam_policy_document" "call" {
  statement {
    actions   = ["events:InvokeApiDestination"]
    resources = [aws_cloudwatch_event_api_destination.countersign.arn]
  }
}

resource "aws_iam_role_policy" "call" {
  name_prefix = "call-countersign-"
  role        = aws_iam_role.rule.id
  policy      = data.aws_iam_policy_document.call.json
}

data "aws_iam_policy_document" "put" {
  statement {
    actions   = ["events:PutEvents"]
    resources = [aws_cloudwatch_event_bus.approvals.arn]
  }
}

resource "aws_iam_role_policy" "put" {
  name_prefix = "put-events-"
  role        = aws_iam_role.state_machine.id
  policy      = data.aws_iam_policy_document.put.json
}

resource "aws_sfn_state_machine" "approve" {
  name     = var.name
  role_arn = aws_iam_role.state_machine.arn
  definition = templatefile("${path.module}/approve-deploy.asl.json", {
    EventBusName = aws_cloudwatch_event_bus.approvals.name
    EventSource  = var.event_source
    Gate         = var.gate
  })
}

output "state_machine_arn" {
  value = aws_sfn_state_machine.approve.arn
}
