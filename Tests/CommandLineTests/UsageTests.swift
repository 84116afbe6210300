import Testing

@Suite("Usage errors")
struct UsageTests {
    @Test(
        "a usage error is one line that tells what is expected",
        arguments: [
            ("run m --temp 3 x", "no option --temp: did you mean --temperature?"),
            ("run m --max-token 3 x", "did you mean --max-tokens?"), ("run m --nonsense x", "see pvit run --help"),
            ("run m -5+3", "\"-5+3\" begins with -"),
            ("run m --speculate -3 x", "--speculate takes no negative number"),
            ("run m --temperature -1 x", "temperature must be"), ("run m --temperature inf x", "finite"),
            ("run m --temperature nan x", "finite"), ("run m --temperature warm x", "takes a number, but \"warm\""),
            ("run m --temperature= x", "--temperature takes a number"), ("run m --max-tokens -5 x", "takes 0 or more"),
            ("run m --max-tokens 3.5 x", "whole number"), ("run m --max-tokens 99999999999999999999 x", "in range"),
            ("run m --seed -1 x", "from 0 to 18446744073709551615"), ("run m --top-k -1 x", "top-k must be"),
            ("run m --top-p 0 x", "top-p must be"), ("run m --top-p nan x", "top-p must be"),
            ("run m --min-p -1 x", "min-p must be"), ("run m --repetition-penalty 0 x", "repetition penalty must be"),
            ("run m --memory -1GiB x", "a size such as 2GiB"), ("run m --memory 5parsecs x", "a size such as 2GiB"),
            ("run m --context 0 x", "from 1 to"), ("run m --context 9223372036854775807 x", "from 1 to"),
            ("run m --threads -1 x", "from 1 to 256"), ("run m a b", "quotation marks"),
            ("run m --max-tokens", "missing"),
            ("run m --no-stdin", "needs a PROMPT"), ("run m x --history h", "conversation"), ("run", "missing"),
            ("rum m", "did you mean run?"), ("evaluate perplexty m", "did you mean perplexity?"),
            ("inspect m --plan --context 4611686018427387904", "from 1 to"),
            ("inspect m --plan --tensors", "alone"), ("inspect m --plan --tensor t", "alone"),
            ("inspect m --plan --report r.html", "alone"), ("inspect m --plan --compare n", "alone"),
            ("inspect m --compare n --tensor t", "give one of them"),
            ("inspect m --memory 1GiB", "need --plan"), ("inspect m --draft d", "need --plan"),
            ("bench m --draft d --image i", "excludes"), ("bench m --draft d --context 9", "excludes"),
            ("bench m --draft d --prompt-tokens 9", "excludes"), ("bench m --draft d --generate-tokens 0", "needs"),
            ("bench m --prompt p", "needs --draft"), ("bench --kernels --draft d", "excludes"),
            ("bench m --generate-tokens 9223372036854775807", "from 0 to 1000000"),
            ("bench m --context -1", "from 0 to 1000000"), ("bench m --runs -1", "from 1 to 1000"),
            ("bench m --prompt-tokens 1,-2", "separated by commas"), ("bench m --threads 0", "from 1 to 256"),
            ("quantize m --output o --bits 0", "from 1 to 16"), ("quantize m --output o --bits nan", "from 1 to 16"),
            ("quantize m --output o --bits 5 --type q8", "leave out --type"),
            ("quantize m --output o --memory 4GiB", "needs --calibration or --bits"),
            ("quantize m --output o --resume", "needs --calibration"),
            ("export m --output e --shard-size -1", "a size such as"),
            ("evaluate perplexity m --text t --context -1", "takes 4 or more"),
            ("evaluate perplexity m --text t --windows -1", "takes 1 or more"),
            ("evaluate fineeval m --questions q --images i --output o --together -1", "from 1 to 64"),
            ("evaluate fineeval m --questions q --images i --output o --max-tokens -1", "takes 1 or more"),
        ])
    func wrong(line: String, words: String) throws {
        let outcome = try CommandLineRunner.run(line.split(separator: " ").map(String.init))
        #expect(outcome.isOneLineError(64) && outcome.errors.contains(words), "\(outcome.errors)")
    }

    @Test(
        "every command that computes uses the chosen instruction set",
        arguments: [("quantize m --output o", "mmx"), ("verify m", "AVX2"), ("run m x", "avx512")])
    func instructionSet(line: String, name: String) throws {
        let outcome = try CommandLineRunner.run(
            line.split(separator: " ").map(String.init), environment: ["PVIT_KERNELS": name])
        #expect(outcome.isOneLineError(64), "\(outcome.errors)")
        #expect(outcome.errors.contains("\"\(name)\", but it takes one of scalar, avx2"), "\(outcome.errors)")
    }

    @Test("help succeeds")
    func help() throws {
        for arguments in [["--help"], ["help", "run"], ["run", "--help"]] {
            let outcome = try CommandLineRunner.run(arguments)
            #expect(outcome.status == 0 && outcome.errors.isEmpty && outcome.output.contains("USAGE"))
        }
    }
}
