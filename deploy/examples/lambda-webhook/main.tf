# A function that posts approvals to a webhook of Countersign, and a state machine that waits.
# Before: keep the secret of the source's key (whsec_…) in Secrets Manager, as plain text.
# After: ../countersign-role/ with state_machine_name, so that Countersign may answer.

terraform {
  required_version = ">= 1.5"
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.0"
    }
    archive = {
      source  = "hashicorp/archive"
      version = ">= 2.4"
    }
  }
}

variable "gate" {
  type        = string
  default     = "exports"
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

variable "secret_arn" {
  type        = string
  description = "The secret in Secrets Manager that holds the signing secret."
}

data "aws_iam_policy_document" "lambda_trust" {
  statement {
    actions = ["sts:AssumeRole"]
    principals {
      type        = "Service"
      identifiers = ["lambda.amazonaws.com"]
    }
  }
}

resource "aws_iam_role" "function" {
  name_prefix        = "${var.name}-post-"
  assume_role_policy = data.aws_iam_policy_document.lambda_trust.json
}

resource "aws_cloudwatch_log_group" "function" {
  name              = "/aws/lambda/${var.name}-post"
  retention_in_days = 30
}

data "aws_iam_policy_document" "function" {
  statement {
    actions   = ["secretsmanager:GetSecretValue"]
    resources = [var.secret_arn]
  }
  statement {
    actions   = ["logs:CreateLogStream", "logs:PutLogEvents"]
    resources = ["${aws_cloudwatch_log_group.function.arn}:*"]
  }
}

resource "aws_iam_role_policy" "function" {
  name_prefix = "read-the-secret-"
  role        = aws_iam_role.function.id
  policy      = data.aws_iam_policy_document.function.json
}

data "archive_file" "function" {
  type        = "zip"
  source_file = "${path.module}/index.py"
  output_path = "${path.module}/index.zip"
}

resource "aws_lambda_function" "post" {
  function_name    = "${var.name}-post"
  role             = aws_iam_role.function.arn
  runtime          = "python3.13"
  handler          = "index.handler"
  timeout          = 15
  memory_size      = 128
  filename         = data.archive_file.function.output_path
  source_code_hash = data.archive_file.function.output_base64sha256

  environment {
    variables = {
      COUNTERSIGN_URL = var.countersign_url
      SECRET_ARN      = var.secret_arn
    }
  }

  depends_on = [aws_cloudwatch_log_group.function]
}

data "aws_iam_policy_document" "call" {
  statement {
    actions   = ["lambda:InvokeFunction"]
    resources = [aws_lambda_function.post.arn]
  }
}

resource "aws_iam_role_policy" "call" {
  name_prefix = "call-the-function-"
  role        = aws_iam_role.state_machine.id
  policy      = data.aws_iam_policy_document.call.json
}

resource "aws_sfn_state_machine" "approve" {
  name     = var.name
  role_arn = aws_iam_role.state_machine.arn
  definition = templatefile("${path.module}/approve-export.asl.json", {
    FunctionArn = aws_lambda_function.post.arn
    Gate        = var.gate
  })
}

output "state_machine_arn" {
  value = aws_sfn_state_machine.approve.arn
}
