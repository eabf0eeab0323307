namespace Frostline.Vision.Tests.Pose;

/// <summary>Small files of annotations, without a fault.</summary>
internal static class AnnotationText
{
    /// <summary>COCO's format: two images, three people with three joints.</summary>
    public const string Coco = """
        {
          "info": { "year": 2020 },
          "images": [
            { "id": 1, "file_name": "a.png", "width": 40, "height": 30 },
            { "id": 2, "file_name": "sub/b.png", "width": 20, "height": 20 }
          ],
          "annotations": [
            { "id": 10, "image_id": 1, "category_id": 7, "bbox": [4, 5, 20, 10], "area": 120.5, "iscrowd": 0, "keypoints": [5, 6, 2, 7.5, 8, 1, 0, 0, 0] },
            { "id": 11, "image_id": 2, "category_id": 7, "bbox": [0, 0, 20, 20], "iscrowd": 1, "keypoints": [1, 1, 2, 0, 0, 0, 0, 0, 0] },
            { "id": 12, "image_id": 2, "category_id": 7, "bbox": [0, 0, 9, 9], "keypoints": [0, 0, 0, 0, 0, 0, 0, 0, 0], "segmentation": [[1, 2, 3, 4]] }
          ],
          "categories": [
            { "id": 3, "name": "chair" },
            { "id": 7, "name": "bird", "keypoints": ["beak", "left_wing", "right_wing"], "skeleton": [[1, 2], [1, 3]] }
          ]
        }
        """;

    /// <summary>PoseTrack 2018's format: a video of three frames of which the middle one is labelled, with two joints.</summary>
    public const string PoseTrack18 = """
        {
          "images": [
            { "id": 10000010000, "frame_id": 10000010000, "vid_id": "000001", "nframes": 3, "is_labeled": false, "file_name": "video/000000.png" },
            { "id": 10000010001, "frame_id": 10000010001, "vid_id": "000001", "nframes": 3, "is_labeled": true, "file_name": "video/000001.png" },
            { "id": 10000010002, "frame_id": 10000010002, "vid_id": "000001", "nframes": 3, "is_labeled": false, "file_name": "video/000002.png" }
          ],
          "annotations": [
            {
              "id": 1000001000100, "image_id": 10000010001, "category_id": 1, "track_id": 4, "bbox": [3, 4, 10, 12], "bbox_head": [5, 4, 3, 3],
              "keypoints": [6, 5, 1, 7, 9, 1], "scores": []
            }
          ],
          "categories": [{ "id": 1, "name": "person", "keypoints": ["nose", "neck"], "skeleton": [[1, 2]] }]
        }
        """;

    /// <summary>PoseTrack 2017's format: two frames, three people, the last one with a head's box alone.</summary>
    public const string PoseTrack17 = """
        {
          "annolist": [
            {
              "image": [{ "name": "images\/bonn\/00000001.jpg" }],
              "imgnum": [1],
              "is_labeled": [1],
              "ignore_regions": [],
              "annorect": [
                {
                  "x1": [10], "y1": [20], "x2": [16], "y2": [28], "track_id": [3], "score": [-1],
                  "annopoints": [{ "point": [
                    { "id": [13], "x": [12], "y": [25], "is_visible": [1] },
                    { "id": [0], "x": [32], "y": [65.5], "is_visible": [0] },
                    { "id": [14], "x": [12], "y": [20] }
                  ] }]
                },
                { "x1": [1], "y1": [2], "x2": [5], "y2": [8], "track_id": [0], "annopoints": [] }
              ]
            },
            {
              "image": { "name": "images/bonn/00000002.jpg" },
              "imgnum": 2,
              "annorect": { "x1": 1, "y1": 2, "x2": 5, "y2": 8, "track_id": 0, "annopoints": { "point": { "id": 1, "x": 3, "y": 4, "is_visible": [] } } }
            },
            { "image": [{ "name": "images/bonn/00000003.jpg" }], "annorect": [] }
          ]
        }
        """;

    /// <summary>Detections in the images of <see cref="Coco"/>.</summary>
    public const string Detections = """
        [
          { "image_id": 1, "category_id": 7, "bbox": [1, 2, 10, 11], "score": 0.75 },
          { "image_id": 1, "category_id": 3, "bbox": [1, 2, 10, 11], "score": 0.9 },
          { "image_id": 2, "category_id": 7, "bbox": [2, 2.5, 10, 11], "score": 0.25 }
        ]
        """;
}
