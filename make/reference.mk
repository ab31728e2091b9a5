.PHONY: reference
reference: setup ## Write docs/config.md and docs/rules.md from the schema and the rules; figures and picture of docs/cold-start.md
	$(RUN)python -m testing.rule_examples
	$(RUN)generator schema --markdown > docs/config.md
	$(RUN)generator schema --rules > docs/rules.md
	$(RUN)python tools/cold_start_page.py
