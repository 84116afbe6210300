import Storage

extension AutomatonBuilder {
    /// The finished automaton, without the ways that lead to no end.
    ///
    /// - Returns: nil if no text is accepted.
    consuming func finish(start: StateID) throws -> ByteAutomaton? {
        let needed = neededDepths()
        guard needed[Int(start)] <= ByteAutomaton.maximumDepth else { return nil }
        for index in states.indices {
            states[index].edges.removeAll { needed[Int($0.target)] == .max }
            states[index].silent.removeAll { needed[Int($0)] == .max }
            states[index].calls.removeAll { needed[Int($0.callee)] == .max || needed[Int($0.next)] == .max }
            states[index].neededDepth = needed[index]
        }
        try checkBranching(start)
        return ByteAutomaton(states: states, start: start, declaredKeys: declaredKeys)
    }

    /// For each state, how many levels of arrays and objects it takes at least to reach the end; `Int32.max` if the end
    /// cannot be reached.
    private func neededDepths() -> [Int32] {
        var users = [[StateID]](repeating: [], count: states.count)
        for (index, state) in states.enumerated() {
            let user = StateID(index)
            for edge in state.edges { users[Int(edge.target)].append(user) }
            for target in state.silent { users[Int(target)].append(user) }
            for call in state.calls {
                users[Int(call.callee)].append(user)
                users[Int(call.next)].append(user)
            }
        }
        var needed = [Int32](repeating: .max, count: states.count)
        var pending: [StateID] = states.indices.filter { states[$0].accepts }.map { StateID($0) }
        for state in pending { needed[Int(state)] = 0 }
        // Values only become smaller, so this ends.
        while let changed = pending.popLast() {
            for user in users[Int(changed)] {
                let state = states[Int(user)]
                var least = needed[Int(user)]
                for edge in state.edges { least = min(least, needed[Int(edge.target)]) }
                for target in state.silent { least = min(least, needed[Int(target)]) }
                for call in state.calls {
                    let (callee, next) = (needed[Int(call.callee)], needed[Int(call.next)])
                    guard callee != .max, next != .max else { continue }
                    least = min(least, max(callee + (call.nests ? 1 : 0), next))
                }
                guard least < needed[Int(user)] else { continue }
                needed[Int(user)] = least
                pending.append(user)
            }
        }
        return needed
    }

    /// Throws if a state can go on in too many ways without consuming anything.
    private func checkBranching(_ start: StateID) throws {
        var seen = [Int32](repeating: -1, count: states.count)
        for origin in states.indices {
            var pending: [StateID] = [StateID(origin)]
            var count = 0
            while let state = pending.popLast() {
                guard seen[Int(state)] != Int32(origin) else { continue }
                seen[Int(state)] = Int32(origin)
                if !states[Int(state)].edges.isEmpty { count += 1 }
                guard count <= ConfigurationTable.maximumBranchCount / 2 else {
                    throw PVITError.schemaTooLarge(
                        "the schema leaves the choice of more than \(ConfigurationTable.maximumBranchCount / 2) "
                            + "alternatives or optional properties at one point")
                }
                pending += states[Int(state)].silent
                pending += states[Int(state)].calls.map(\.callee)
            }
        }
    }
}
