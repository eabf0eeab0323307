using System.Collections.Immutable;
using System.Reflection;
using System.Reflection.Emit;
using System.Reflection.Metadata;
using System.Reflection.Metadata.Ecma335;
using System.Reflection.PortableExecutable;

namespace Frostline.Cli.Tests.Architecture;

/// <summary>
/// What each outermost type of an assembly refers to: in its base types, members, signatures and code, those of its nested types
/// (closures, iterators) included. Read from metadata, so nothing is loaded or run.
/// </summary>
internal sealed class AssemblyReferences : IDisposable
{
    private static readonly Dictionary<int, OperandType> s_operands = typeof(OpCodes)
        .GetFields(BindingFlags.Public | BindingFlags.Static)
        .Select(field => (OpCode)field.GetValue(null)!)
        .ToDictionary(code => code.Value & 0xFFFF, code => code.OperandType);

    private readonly PEReader _file;
    private readonly MetadataReader _reader;

    public AssemblyReferences(string path)
    {
        _file = new PEReader(File.OpenRead(path));
        _reader = _file.GetMetadataReader();
    }

    /// <summary>The names of the assemblies that it refers to.</summary>
    public IReadOnlyList<string> Assemblies =>
        [.. _reader.AssemblyReferences.Select(handle => _reader.GetString(_reader.GetAssemblyReference(handle).Name))];

    /// <summary>The outermost types that contain a P/Invoke method.</summary>
    public IReadOnlyList<TypeName> TypesWithNativeMethods => [.. _reader.MethodDefinitions
        .Select(_reader.GetMethodDefinition)
        .Where(method => method.Attributes.HasFlag(MethodAttributes.PinvokeImpl))
        .Select(method => Outermost(method.GetDeclaringType()))
        .Distinct()];

    /// <summary>For each outermost type: the types that it refers to, here or in other assemblies.</summary>
    public IReadOnlyDictionary<TypeName, IReadOnlySet<TypeName>> Types()
    {
        var types = new Dictionary<TypeName, IReadOnlySet<TypeName>>();
        foreach (var handle in _reader.TypeDefinitions)
        {
            var name = Outermost(handle);
            if (!types.TryGetValue(name, out var found)) types.Add(name, found = new HashSet<TypeName>());
            var collector = new Collector(this, (HashSet<TypeName>)found);
            collector.Visit(_reader.GetTypeDefinition(handle));
            ((HashSet<TypeName>)found).Remove(name);
        }

        return types;
    }

    public void Dispose() => _file.Dispose();

    private TypeName Outermost(TypeDefinitionHandle handle)
    {
        var type = _reader.GetTypeDefinition(handle);
        while (!type.GetDeclaringType().IsNil) type = _reader.GetTypeDefinition(type.GetDeclaringType());
        return new TypeName("", _reader.GetString(type.Namespace), _reader.GetString(type.Name));
    }

    private TypeName Outermost(TypeReferenceHandle handle)
    {
        var type = _reader.GetTypeReference(handle);
        while (type.ResolutionScope.Kind == HandleKind.TypeReference)
            type = _reader.GetTypeReference((TypeReferenceHandle)type.ResolutionScope);
        var assembly = type.ResolutionScope.Kind == HandleKind.AssemblyReference
            ? _reader.GetString(_reader.GetAssemblyReference((AssemblyReferenceHandle)type.ResolutionScope).Name)
            : "";
        return new TypeName(assembly, _reader.GetString(type.Namespace), _reader.GetString(type.Name));
    }

    private sealed class Collector(AssemblyReferences owner, HashSet<TypeName> found) : ISignatureTypeProvider<bool, bool>
    {
        private readonly MetadataReader _reader = owner._reader;

        public void Visit(TypeDefinition type)
        {
            Visit(type.BaseType);
            foreach (var handle in type.GetInterfaceImplementations()) Visit(_reader.GetInterfaceImplementation(handle).Interface);
            foreach (var handle in type.GetFields()) _reader.GetFieldDefinition(handle).DecodeSignature(this, false);
            foreach (var handle in type.GetMethods()) Visit(_reader.GetMethodDefinition(handle));
        }

        private void Visit(MethodDefinition method)
        {
            method.DecodeSignature(this, false);
            if (method.RelativeVirtualAddress == 0) return;
            var body = owner._file.GetMethodBody(method.RelativeVirtualAddress);
            if (!body.LocalSignature.IsNil) _reader.GetStandaloneSignature(body.LocalSignature).DecodeLocalSignature(this, false);
            foreach (var region in body.ExceptionRegions) Visit(region.CatchType);
            VisitCode(body.GetILReader());
        }

        private void VisitCode(BlobReader code)
        {
            while (code.RemainingBytes > 0)
            {
                int instruction = code.ReadByte();
                if (instruction == 0xFE) instruction = 0xFE00 | code.ReadByte();
                switch (s_operands[instruction])
                {
                    case OperandType.InlineField or OperandType.InlineMethod or OperandType.InlineTok or OperandType.InlineType
                        or OperandType.InlineSig:
                        Visit(MetadataTokens.EntityHandle(code.ReadInt32()));
                        break;
                    case OperandType.InlineSwitch:
                        var targets = code.ReadInt32();
                        code.Offset += 4 * targets;
                        break;
                    case OperandType.InlineI8 or OperandType.InlineR:
                        code.Offset += 8;
                        break;
                    case OperandType.InlineVar:
                        code.Offset += 2;
                        break;
                    case OperandType.ShortInlineBrTarget or OperandType.ShortInlineI or OperandType.ShortInlineVar:
                        code.Offset += 1;
                        break;
                    case OperandType.InlineNone:
                        break;
                    default:
                        code.Offset += 4;
                        break;
                }
            }
        }

        private void Visit(EntityHandle handle)
        {
            if (handle.IsNil) return;
            switch (handle.Kind)
            {
                case HandleKind.TypeDefinition:
                    found.Add(owner.Outermost((TypeDefinitionHandle)handle));
                    break;
                case HandleKind.TypeReference:
                    found.Add(owner.Outermost((TypeReferenceHandle)handle));
                    break;
                case HandleKind.TypeSpecification:
                    _reader.GetTypeSpecification((TypeSpecificationHandle)handle).DecodeSignature(this, false);
                    break;
                case HandleKind.MethodDefinition:
                    Visit(_reader.GetMethodDefinition((MethodDefinitionHandle)handle).GetDeclaringType());
                    break;
                case HandleKind.FieldDefinition:
                    Visit(_reader.GetFieldDefinition((FieldDefinitionHandle)handle).GetDeclaringType());
                    break;
                case HandleKind.MethodSpecification:
                    var generic = _reader.GetMethodSpecification((MethodSpecificationHandle)handle);
                    generic.DecodeSignature(this, false);
                    Visit(generic.Method);
                    break;
                case HandleKind.MemberReference:
                    var member = _reader.GetMemberReference((MemberReferenceHandle)handle);
                    Visit(member.Parent);
                    if (member.GetKind() == MemberReferenceKind.Method) member.DecodeMethodSignature(this, false);
                    else member.DecodeFieldSignature(this, false);
                    break;
                case HandleKind.StandaloneSignature:
                    _reader.GetStandaloneSignature((StandaloneSignatureHandle)handle).DecodeMethodSignature(this, false);
                    break;
                default:
                    throw new InvalidOperationException($"unexpected token {handle.Kind}");
            }
        }

        // What a signature names is recorded on the way; the decoded value itself is not needed.
        public bool GetTypeFromDefinition(MetadataReader reader, TypeDefinitionHandle handle, byte rawTypeKind) => Record(handle);

        public bool GetTypeFromReference(MetadataReader reader, TypeReferenceHandle handle, byte rawTypeKind) => Record(handle);

        public bool GetTypeFromSpecification(
            MetadataReader reader, bool genericContext, TypeSpecificationHandle handle, byte rawTypeKind) => Record(handle);

        public bool GetArrayType(bool elementType, ArrayShape shape) => true;

        public bool GetByReferenceType(bool elementType) => true;

        public bool GetFunctionPointerType(MethodSignature<bool> signature) => true;

        public bool GetGenericInstantiation(bool genericType, ImmutableArray<bool> typeArguments) => true;

        public bool GetGenericMethodParameter(bool genericContext, int index) => true;

        public bool GetGenericTypeParameter(bool genericContext, int index) => true;

        public bool GetModifiedType(bool modifier, bool unmodifiedType, bool isRequired) => true;

        public bool GetPinnedType(bool elementType) => true;

        public bool GetPointerType(bool elementType) => true;

        public bool GetPrimitiveType(PrimitiveTypeCode typeCode) => true;

        public bool GetSZArrayType(bool elementType) => true;

        private bool Record(EntityHandle handle)
        {
            Visit(handle);
            return true;
        }
    }
}

/// <summary>An outermost type.</summary>
/// <param name="Assembly">The assembly that holds it; empty for the one that was read.</param>
/// <param name="Namespace">Its namespace.</param>
/// <param name="Name">Its name.</param>
internal sealed record TypeName(string Assembly, string Namespace, string Name)
{
    public override string ToString() => $"{Namespace}.{Name}";
}
