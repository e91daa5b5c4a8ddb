"""The receiver of IBM's servers: enrolments, reports, uploads, passwords (docs/receiver.md).

``desk`` does the operations of the OpenAPI document in ``lab/data/receiver``; nothing here listens. Imported
for the first request below ``/service/``: a lab whose agents ask for none pays nothing.
"""
