"""Indexes for what is asked often. Built while people go on working, so not in one transaction.

If it is interrupted: drop those of link_expires, mail_of_person, mail_done and place_given_by that
are there, and migrate again.
"""

import django.db.models.deletion
from django.conf import settings
from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models

KINDS = [
    ('arrived', 'A task came to their stage'),
    ('handed_over', 'A task was handed to them'),
    ('moved', 'A colleague has their task now'),
    ('reminded', 'A task still waits'),
    ('running_out', 'A task is about to run out'),
    ('escalated', 'A task was escalated to them'),
    ('asked', 'A colleague asks them'),
    ('answered', 'A colleague answered'),
    ('settled', 'A task is settled'),
]


class Migration(migrations.Migration):
    atomic = False

    dependencies = [
        ('approvals', '0005_gates_and_notices'),
        ('auth', '0012_alter_user_first_name_max_length'),
    ]

    operations = [
        AddIndexConcurrently(
            model_name='link',
            index=models.Index(models.F('expires_at'), name='link_expires'),
        ),
        AddIndexConcurrently(
            model_name='mail',
            index=models.Index(models.F('person'), models.F('created_at'), name='mail_of_person'),
        ),
        AddIndexConcurrently(
            model_name='mail',
            index=models.Index(models.F('created_at'), condition=models.Q(('status__in', ['sent', 'dropped'])), name='mail_done'),
        ),
        AddIndexConcurrently(
            model_name='place',
            index=models.Index(models.F('stands_for'), condition=models.Q(('is_open', True)), name='place_given_by'),
        ),
        migrations.AlterField(
            model_name='mail',
            name='person',
            field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='mails_sent', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AlterField(
            model_name='place',
            name='stands_for',
            field=models.ForeignKey(db_index=False, null=True, on_delete=django.db.models.deletion.CASCADE, related_name='+', to=settings.AUTH_USER_MODEL),
        ),
        # What follows changes nothing in the database.
        migrations.AlterField(
            model_name='notice',
            name='kind',
            field=models.CharField(choices=KINDS, max_length=12),
        ),
        migrations.AlterField(
            model_name='occasion',
            name='kind',
            field=models.CharField(choices=KINDS, max_length=12),
        ),
        migrations.AlterField(
            model_name='timer',
            name='kind',
            field=models.CharField(choices=[('remind', 'Remind'), ('escalate', 'Escalate'), ('running_out', 'Say that time is running out'), ('overdue', 'What the gate does at its deadline'), ('retally', 'Count again, since its gate or a team was changed')], max_length=12),
        ),
    ]
