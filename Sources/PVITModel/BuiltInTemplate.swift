/// Chat templates for models that have none of their own, by family.
package enum BuiltInTemplate: String, Sendable, CaseIterable {
    /// `vicuna_v1_1`, the conversation of FastChat, LLaVA and PVIT.
    case vicuna
    case chatml
    case llama2
    case llama3
    case mistral
    case zephyr
    case alpaca
    case gemma
    case phi3

    /// The template with a name, in letters of either case.
    package init?(named name: String) { self.init(rawValue: name.lowercased()) }

    /// The names of all templates, for help and error messages.
    package static var names: String { allCases.map(\.rawValue).joined(separator: ", ") }

    /// The Jinja template.
    package var text: String {
        switch self {
        case .vicuna:
            """
            {{ bos_token }}{% if messages and messages[0]['role'] == 'system' %}{{ messages[0]['content'] }}\
            {% set messages = messages[1:] %}{% else %}\
            {{ "A chat between a curious user and an artificial intelligence assistant. \
            The assistant gives helpful, detailed, and polite answers to the user's questions." }}\
            {% endif %}{{ ' ' }}{% for message in messages %}\
            {% if message['role'] == 'user' %}{{ 'USER: ' + message['content'] + ' ' }}\
            {% elif message['role'] == 'assistant' %}{{ 'ASSISTANT: ' + message['content'] + eos_token }}\
            {% else %}{{ raise_exception('only the first message can be the system\\'s') }}{% endif %}{% endfor %}\
            {% if add_generation_prompt %}{{ 'ASSISTANT:' }}{% endif %}
            """
        case .chatml:
            """
            {% for message in messages %}\
            {{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>\\n' }}\
            {% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}
            """
        case .llama2:
            """
            {% if messages[0]['role'] == 'system' %}\
            {% set system = '<<SYS>>\\n' + messages[0]['content'] + '\\n<</SYS>>\\n\\n' %}\
            {% set messages = messages[1:] %}{% else %}{% set system = '' %}{% endif %}\
            {% for message in messages %}{% if message['role'] == 'user' %}\
            {{ bos_token + '[INST] ' + (system if loop.first else '') + message['content'] | trim + ' [/INST]' }}\
            {% else %}{{ ' ' + message['content'] | trim + ' ' + eos_token }}{% endif %}{% endfor %}
            """
        case .llama3:
            """
            {{ bos_token }}{% for message in messages %}\
            {{ '<|start_header_id|>' + message['role'] + '<|end_header_id|>\\n\\n' }}\
            {{ message['content'] | trim + '<|eot_id|>' }}{% endfor %}\
            {% if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}{% endif %}
            """
        case .mistral:
            """
            {{ bos_token }}{% if messages[0]['role'] == 'system' %}\
            {% set system = messages[0]['content'] + '\\n\\n' %}{% set messages = messages[1:] %}\
            {% else %}{% set system = '' %}{% endif %}\
            {% for message in messages %}{% if message['role'] == 'user' %}\
            {{ '[INST] ' + (system if loop.first else '') + message['content'] + ' [/INST]' }}\
            {% else %}{{ ' ' + message['content'] + eos_token }}{% endif %}{% endfor %}
            """
        case .zephyr:
            """
            {% for message in messages %}\
            {{ '<|' + message['role'] + '|>\\n' + message['content'] + eos_token + '\\n' }}{% endfor %}\
            {% if add_generation_prompt %}{{ '<|assistant|>\\n' }}{% endif %}
            """
        case .alpaca:
            """
            {% if messages[0]['role'] == 'system' %}{{ messages[0]['content'] + '\\n\\n' }}\
            {% set messages = messages[1:] %}{% else %}\
            {{ 'Below is an instruction that describes a task. \
            Write a response that appropriately completes the request.\\n\\n' }}{% endif %}\
            {% for message in messages %}{% if message['role'] == 'user' %}\
            {{ '### Instruction:\\n' + message['content'] + '\\n\\n' }}\
            {% else %}{{ '### Response:\\n' + message['content'] + eos_token + '\\n\\n' }}{% endif %}{% endfor %}\
            {% if add_generation_prompt %}{{ '### Response:\\n' }}{% endif %}
            """
        case .gemma:
            """
            {{ bos_token }}{% if messages[0]['role'] == 'system' %}\
            {% set system = messages[0]['content'] + '\\n\\n' %}{% set messages = messages[1:] %}\
            {% else %}{% set system = '' %}{% endif %}\
            {% for message in messages %}\
            {{ '<start_of_turn>' + ('model' if message['role'] == 'assistant' else 'user') + '\\n' }}\
            {{ (system if loop.first else '') + message['content'] | trim + '<end_of_turn>\\n' }}{% endfor %}\
            {% if add_generation_prompt %}{{ '<start_of_turn>model\\n' }}{% endif %}
            """
        case .phi3:
            """
            {{ bos_token }}{% for message in messages %}\
            {{ '<|' + message['role'] + '|>\\n' + message['content'] + '<|end|>\\n' }}{% endfor %}\
            {% if add_generation_prompt %}{{ '<|assistant|>\\n' }}{% endif %}
            """
        }
    }
}
