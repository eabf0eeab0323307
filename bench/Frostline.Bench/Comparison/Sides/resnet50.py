"""The usual recipe in PyTorch: a ResNet-50 whose backbone is frozen and runs in every epoch; reads a task, prints a report."""
import json
import sys
import time
from pathlib import Path

import numpy
import torch
from PIL import Image
from torch import nn
from torch.utils.data import DataLoader, Dataset

MEAN = numpy.array([0.485, 0.456, 0.406], dtype=numpy.float32)[:, None, None]
DEVIATION = numpy.array([0.229, 0.224, 0.225], dtype=numpy.float32)[:, None, None]


class Images(Dataset):
    """A folder for each class; the middle of each image, scaled and normalised."""

    def __init__(self, root, crop):
        folders = sorted(folder for folder in Path(root).iterdir() if folder.is_dir())
        self.files = [(path, label) for label, folder in enumerate(folders) for path in sorted(folder.glob("*.jpg"))]
        self.crop = crop

    def __len__(self):
        return len(self.files)

    def __getitem__(self, index):
        path, label = self.files[index]
        image = Image.open(path).convert("RGB")
        left, top = (image.width - self.crop) // 2, (image.height - self.crop) // 2
        pixels = numpy.asarray(image.crop((left, top, left + self.crop, top + self.crop)), dtype=numpy.float32)
        return torch.from_numpy((pixels.transpose(2, 0, 1) / numpy.float32(255) - MEAN) / DEVIATION), label


class Bottleneck(nn.Module):
    def __init__(self, inputs, width, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, 4 * width, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(4 * width)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = None
        if stride > 1 or inputs != 4 * width:
            self.downsample = nn.Sequential(nn.Conv2d(inputs, 4 * width, 1, stride, bias=False), nn.BatchNorm2d(4 * width))

    def forward(self, x):
        y = self.relu(self.bn1(self.conv1(x)))
        y = self.relu(self.bn2(self.conv2(y)))
        y = self.bn3(self.conv3(y))
        y += x if self.downsample is None else self.downsample(x)
        return self.relu(y)


class ResNet50(nn.Module):
    def __init__(self, classes):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        self.layer1 = layer(3, 64, 64, 1)
        self.layer2 = layer(4, 256, 128, 2)
        self.layer3 = layer(6, 512, 256, 2)
        self.layer4 = layer(3, 1024, 512, 2)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(2048, classes)

    def forward(self, x):
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.fc(self.avgpool(x).flatten(1))


def layer(blocks, inputs, width, stride):
    return nn.Sequential(*(Bottleneck(4 * width if i else inputs, width, 1 if i else stride) for i in range(blocks)))


def main():
    task = json.loads(Path(sys.argv[1]).read_text())
    torch.set_num_threads(task["threads"])
    torch.manual_seed(0)
    network = ResNet50(10)
    network.load_state_dict(torch.load(task["pyTorchWeights"]))
    for parameter in network.parameters():
        parameter.requires_grad = False
    network.eval()
    for parameter in network.fc.parameters():
        parameter.requires_grad = True
    optimizer = torch.optim.SGD(network.fc.parameters(), lr=task["learningRate"], momentum=0.9)
    loader = DataLoader(
        Images(task["images"], task["crop"]), batch_size=task["batchSize"], shuffle=True, num_workers=task["workers"], persistent_workers=True)
    epochs, steps, loss = [], [], None
    for _ in range(task["baselineEpochs"]):
        began, before = time.perf_counter(), None
        for images, labels in loader:
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(network(images), labels)
            loss.backward()
            optimizer.step()
            now = time.perf_counter()
            if before is not None:
                steps.append(now - before)
            before = now
        epochs.append(time.perf_counter() - began)
    steps.sort()
    print(json.dumps({"epochs": epochs, "step": steps[len(steps) // 2] if steps else "NaN", "loss": loss.item()}))


main()
