using System.Text;
using Frostline.Initialization;

namespace Frostline.Autograd;

/// <summary>Writes gradient graphs; lines end with a line feed on every system.</summary>
internal static class GradientGraphText
{
    private const string Cut = "cut";

    internal static string Table(GradientGraph graph)
    {
        var rows = new List<string[]>();
        for (var i = 0; i < graph.Outputs.Count; i++) rows.Add([OutputName(graph, i), "", Reference(graph, graph.Outputs[i])]);
        foreach (var node in graph.Nodes.Where(node => !node.IsLeaf))
            rows.Add([$"#{node.Id}", node.Operation, string.Join(", ", node.Inputs.Select(input => Reference(graph, input)))]);
        var text = new StringBuilder();
        if (rows.Count > 0) TextRows.Append(text, rows);
        return text.ToString();
    }

    internal static string Dot(GradientGraph graph) => Lines(["digraph gradients {", .. DotLines(graph).Select(line => $"  {line}"), "}"]);

    internal static string Mermaid(GradientGraph graph) => Lines(["flowchart TD", .. MermaidLines(graph).Select(line => $"  {line}")]);

    private static IEnumerable<string> DotLines(GradientGraph graph)
    {
        yield return "node [shape=box];";
        for (var i = 0; i < graph.Outputs.Count; i++) yield return $"t{i} [label={DotText(OutputName(graph, i))}, shape=plain];";
        foreach (var node in graph.Nodes) yield return $"n{node.Id} [label={DotText(Label(node))}{(node.IsLeaf ? ", style=rounded" : "")}];";
        foreach (var (from, input, to) in Edges(graph))
        {
            if (to.IsCut) yield return $"{from}_{input} [label={Cut}, shape=plain];";
            yield return to.IsCut ? $"{from} -> {from}_{input} [style=dashed];"
                : $"{from} -> n{to.Node}{(to.Output > 0 ? $" [label={to.Output}]" : "")};";
        }
    }

    private static IEnumerable<string> MermaidLines(GradientGraph graph)
    {
        for (var i = 0; i < graph.Outputs.Count; i++) yield return $"t{i}[[{MermaidText(OutputName(graph, i))}]]";
        foreach (var node in graph.Nodes)
            yield return node.IsLeaf ? $"n{node.Id}([{MermaidText(Label(node))}])" : $"n{node.Id}[{MermaidText(Label(node))}]";
        foreach (var (from, input, to) in Edges(graph))
            yield return to.IsCut ? $"{from} -.-x {from}_{input}(({MermaidText(Cut)}))"
                : $"{from} -->{(to.Output > 0 ? $"|{to.Output}|" : "")} n{to.Node}";
    }

    private static string Lines(IEnumerable<string> lines) => string.Concat(lines.Select(line => line + "\n"));

    private static IEnumerable<(string From, int Input, GradientEdge To)> Edges(GradientGraph graph)
    {
        for (var i = 0; i < graph.Outputs.Count; i++) yield return ($"t{i}", 0, graph.Outputs[i]);
        foreach (var node in graph.Nodes)
            for (var i = 0; i < node.Inputs.Count; i++) yield return ($"n{node.Id}", i, node.Inputs[i]);
    }

    private static string OutputName(GradientGraph graph, int index) => graph.Outputs.Count == 1 ? "tensor" : $"tensor {index}";

    private static string Reference(GradientGraph graph, GradientEdge edge)
    {
        if (edge.Node is not { } id) return Cut;
        if (graph.Nodes[id].IsLeaf) return Label(graph.Nodes[id]);
        return edge.Output == 0 ? $"#{id}" : $"#{id} output {edge.Output}";
    }

    private static string Label(GradientNode node) => node.IsLeaf ? node.Parameter ?? $"leaf #{node.Id}" : node.Operation;

    private static string DotText(string text) => $"\"{text.Replace("\\", "\\\\").Replace("\"", "\\\"")}\"";

    private static string MermaidText(string text) => $"\"{text.Replace("#", "#35;").Replace("\"", "#quot;")}\"";
}
