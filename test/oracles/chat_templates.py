"""Conversations through chat templates as Python's Jinja renders them with transformers' settings.

pip install jinja2==3.1.6
python test/oracles/chat_templates.py > test/fixtures/chat-templates.json
"""

import json

from jinja2.exceptions import TemplateError
from jinja2.sandbox import ImmutableSandboxedEnvironment

TEMPLATES = {
    "chatml": "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + message['content'] | trim + '<|im_end|>' + '\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}",
    "llama2": "{% if messages[0]['role'] == 'system' %}{% set loop_messages = messages[1:] %}{% set system_message = messages[0]['content'] %}"
    "{% else %}{% set loop_messages = messages %}{% set system_message = false %}{% endif %}{% for message in loop_messages %}"
    "{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('Conversation roles must alternate') }}{% endif %}"
    "{% if loop.index0 == 0 and system_message != false %}{% set content = '<<SYS>>\n' + system_message + '\n<</SYS>>\n\n' + message['content'] %}"
    "{% else %}{% set content = message['content'] %}{% endif %}{% if message['role'] == 'user' %}{{ bos_token + '[INST] ' + content.strip() + ' [/INST]' }}"
    "{% elif message['role'] == 'assistant' %}{{ ' '  + content.strip() + ' ' + eos_token }}{% endif %}{% endfor %}",
    "llama3": "{% set loop_messages = messages %}{% for message in loop_messages %}"
    "{% set content = '<|start_header_id|>' + message['role'] + '<|end_header_id|>\n\n'+ message['content'] | trim + '<|eot_id|>' %}"
    "{% if loop.index0 == 0 %}{% set content = bos_token + content %}{% endif %}{{ content }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{% endif %}",
    "blocks": "{%- for message in messages %}\n    {%- if message.role == 'user' and not loop.last -%}\n        [{{ message.content | upper }}]\n"
    "    {%- else %}\n  {% set ns = namespace(text='') %}\n  {% for c in message.content.split(' ') %}\n    {% set ns.text = ns.text + c + '_' %}\n"
    "  {% endfor %}\n({{ ns.text[:-1] }}){{ '\\n' }}{% endif %}\n{%- endfor %}\n{% if tools is defined and tools %}{{ tools | tojson }}{% endif %}",
}
CONVERSATIONS = [
    [{"role": "user", "content": "Hello"}],
    [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "  Hi there \n"}],
    [{"role": "user", "content": "a b"}, {"role": "assistant", "content": " c d "}, {"role": "user", "content": "déjà \"vu\" <b>&amp;</b>"}],
    [{"role": "user", "content": "one"}, {"role": "user", "content": "two"}],
]


def raise_exception(message):
    raise TemplateError(message)


environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols"])
environment.globals["raise_exception"] = raise_exception
environment.filters["tojson"] = lambda x, indent=None: json.dumps(x, ensure_ascii=False, indent=indent)
cases = []
for name, source in TEMPLATES.items():
    for messages in CONVERSATIONS:
        for prompt in (True, False):
            variables = {"tools": [{"name": "f", "about": "é <x>"}]} if prompt else {}
            try:
                text = environment.from_string(source).render(
                    messages=messages, add_generation_prompt=prompt, bos_token="<s>", eos_token="</s>", **variables
                )
            except TemplateError:
                text = None
            cases.append({"template": name, "messages": messages, "addGenerationPrompt": prompt, "variables": variables, "text": text})
print(json.dumps({"templates": TEMPLATES, "cases": cases}, ensure_ascii=False, indent=1))
