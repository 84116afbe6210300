import CEdit

extension LineEditor {
    /// Binds keys that libedit's Emacs mode lacks, or handles differently from readline.
    func bindKeys() {
        cedit_add_function(editorHandle, "pvit-paste") { editor, _ in
            UInt8(LineEditor.of(editor)?.insertPaste() ?? CC_ERROR)
        }
        cedit_add_function(editorHandle, "pvit-complete") { editor, _ in
            UInt8(LineEditor.of(editor)?.completeText() ?? CC_ERROR)
        }
        cedit_add_function(editorHandle, "pvit-delete-back") { editor, _ in
            UInt8(LineEditor.of(editor)?.deleteBack() ?? CC_ERROR)
        }
        cedit_add_function(editorHandle, "pvit-back") { editor, _ in
            UInt8(LineEditor.of(editor)?.step(forward: false) ?? CC_ERROR)
        }
        cedit_add_function(editorHandle, "pvit-forward") { editor, _ in
            UInt8(LineEditor.of(editor)?.step(forward: true) ?? CC_ERROR)
        }
        for (keys, function) in [
            ("\\e[200~", "pvit-paste"), ("\\t", "pvit-complete"), ("\\177", "pvit-delete-back"),
            ("^H", "pvit-delete-back"), ("^B", "pvit-back"), ("\\e[D", "pvit-back"), ("\\eOD", "pvit-back"),
            ("^F", "pvit-forward"), ("\\e[C", "pvit-forward"), ("\\eOC", "pvit-forward"),
            ("^W", "ed-delete-prev-word"), ("^U", "vi-kill-line-prev"), ("^R", "em-inc-search-prev"),
            ("\\e[A", "ed-prev-history"), ("\\eOA", "ed-prev-history"), ("\\e[B", "ed-next-history"),
            ("\\eOB", "ed-next-history"), ("\\e[H", "ed-move-to-beg"), ("\\eOH", "ed-move-to-beg"),
            ("\\e[1~", "ed-move-to-beg"), ("\\e[F", "ed-move-to-end"), ("\\eOF", "ed-move-to-end"),
            ("\\e[4~", "ed-move-to-end"), ("\\e[3~", "ed-delete-next-char"), ("\\e[1;5D", "ed-prev-word"),
            ("\\e[1;5C", "em-next-word"),
        ] { cedit_bind(editorHandle, keys, function) }
    }

    private func insertPaste() -> Int32 {
        guard let text = readPaste() else { return CC_EOF }
        return insert(pastes.take(text)) ? CC_REFRESH : CC_REFRESH_BEEP
    }

    /// Completes the text before the cursor as far as it is unambiguous, or else shows the choices.
    private func completeText() -> Int32 {
        let completion = completion()
        if !completion.certain.isEmpty { return insert(completion.certain) ? CC_REFRESH : CC_REFRESH_BEEP }
        guard completion.choices.count > 1 else { return CC_REFRESH_BEEP }
        screen.write("\n" + completion.choices.joined(separator: "  ") + "\n", .note)
        return CC_REDISPLAY
    }

    /// Deletes one character as the user perceives it, even if it consists of several code points.
    private func deleteBack() -> Int32 {
        guard let last = textBeforeCursor.last else { return CC_ERROR }
        delete(last.unicodeScalars.count)
        return CC_REFRESH
    }

    private func step(forward: Bool) -> Int32 {
        guard let character = forward ? textAfterCursor.first : textBeforeCursor.last else { return CC_ERROR }
        move(forward ? character.unicodeScalars.count : -character.unicodeScalars.count)
        return CC_CURSOR
    }
}
