"""PostgreSQL itself refuses to change or empty the record.

In plain SQL: the triggers that django-pgtrigger writes can be passed over with a setting of the
session, which is right for lifecycles and wrong for a record.
"""

from django.db import migrations

REFUSE = """
CREATE FUNCTION approvals_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the record is append-only';
END;
$$;
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON approvals_auditevent
    FOR EACH ROW EXECUTE FUNCTION approvals_refuse();
CREATE TRIGGER never_truncated BEFORE TRUNCATE ON approvals_auditevent
    FOR EACH STATEMENT EXECUTE FUNCTION approvals_refuse();
"""
ALLOW = """
DROP TRIGGER append_only ON approvals_auditevent;
DROP TRIGGER never_truncated ON approvals_auditevent;
DROP FUNCTION approvals_refuse;
"""


class Migration(migrations.Migration):
    dependencies = [("approvals", "0002_cache_table")]
    operations = [migrations.RunSQL(REFUSE, ALLOW)]
