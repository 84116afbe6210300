import ArgumentParser
import Glibc
import Tensors

/// Runs the command line and turns what went wrong into one line on standard error and an exit status.
@main
enum EntryPoint {
    static func main() {
        do {
            var command = try PVITCommand.parseAsRoot()
            try command.run()
        } catch let error as PVITError {
            StandardError.write("pvit: error: \(error)\n")
            exit(error.code.category.rawValue)
        } catch is Interruption {
            StandardError.write("pvit: interrupted\n")
            exit(128 + SIGINT)
        } catch {
            PVITCommand.exit(withError: error)
        }
    }
}
